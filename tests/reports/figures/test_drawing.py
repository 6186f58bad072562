from prunebench.reports.figures.drawing import log_ticks


def test_ticks_are_round_apart_and_at_least_three() -> None:
    assert log_ticks((1, 1.2, 1.5, 2, 3, 4, 8, 16), (0.5, 18.0)) == [1, 1.5, 2, 3, 4, 8, 16]
    assert len(log_ticks((1, 2, 4), (1.1, 1.9))) == 4
