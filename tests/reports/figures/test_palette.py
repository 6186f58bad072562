from prunebench.reports.figures.palette import line_styles


def test_twelve_lines_can_be_told_apart() -> None:
    names = [f"method{i}" for i in range(9)] + ["magnitude", "random", "dense_continued"]
    found = line_styles(names)
    assert len({(s.colour, tuple(s.dash)) for s in found.values()}) == 12
    assert found["random"].dash != [1, 0] and found["method0"].dash == [1, 0]
