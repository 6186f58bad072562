from types import SimpleNamespace

from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.document import Table, Text
from prunebench.reports.results import Results, gather_results
from prunebench.reports.sections.comparison import UNRELIABLE, comparison_sections


def tables(make: SimpleNamespace, results: Results, demonstration: bool = False) -> list[Table]:
    sections = comparison_sections(make.summary(results), differences_table(results), "here", demonstration)
    return [block for section in sections for block in section.blocks if isinstance(block, Table)]


def row(table: Table, criterion: str) -> dict[str, str]:
    cells = next(row for row in table.rows if row[1] == criterion)
    return dict(zip(table.header, cells, strict=True))


def test_numbers_as_a_reader_sees_them(make: SimpleNamespace) -> None:
    records = [make.record("taylor", s, accuracy=a) for s, a in enumerate((0.95, 0.93))]
    records += [make.record("magnitude", s, accuracy=a) for s, a in enumerate((0.90, 0.90))]
    accuracies, differences, contrasts = tables(make, gather_results("x", records))
    assert row(accuracies, "magnitude")["fine-tuned"] == "90.00 (all equal)"
    # 4 points on average, s = sqrt(2), t(.975, 1) = 12.7062: half = 12.7062
    assert row(accuracies, "taylor")["fine-tuned"] == "94.00 ± 12.71 §"  # to 106.71 %
    assert row(differences, "taylor")["to magnitude"] == "+4.00 [-8.71, +16.71]"
    assert row(contrasts, "taylor")["p, adjusted (smallest)"] == "0.5 (0.5)"


def test_intervals_beyond_the_bounds_are_marked_and_explained(make: SimpleNamespace) -> None:
    def notes(*accuracies: float) -> list[str]:
        results = gather_results("x", [make.record("taylor", s, accuracy=a) for s, a in enumerate(accuracies)])
        (section,) = comparison_sections(make.summary(results), differences_table(results), "here", False)
        return [block.text for block in section.blocks if isinstance(block, Text)]

    wide, narrow = (0.95, 0.93), (0.95, 0.95)  # the cut accuracies are 30 points lower and as far apart
    assert any(text.startswith("§ the t interval") for text in notes(*wide))
    assert not any("§" in text for text in notes(*narrow))


def test_one_seed_has_no_interval_and_says_so(make: SimpleNamespace) -> None:
    records = [make.record("taylor", 0, accuracy=0.95), make.record("magnitude", 0, accuracy=0.90)]
    accuracies, differences, contrasts = tables(make, gather_results("x", records))
    assert row(accuracies, "taylor")["n"] == "1 (no interval)"
    assert row(accuracies, "taylor")["fine-tuned"] == "95.00"
    assert row(differences, "taylor")["to magnitude"] == "+5.00 (n = 1)"
    assert (row(contrasts, "taylor")["p"], row(contrasts, "taylor")["verdict"]) == ("n/a", "too few seeds")


def test_no_test_in_a_demonstration(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "taylor")))
    header = {name for table in tables(make, results, demonstration=True) for name in table.header}
    assert not header & {"p", "p, adjusted (smallest)", "verdict"}


def test_different_budgets_are_marked_and_gaps_named(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor", "l1"), (0, 1), (0.5,), "global")
    records += [make.record("obd", 9, ranking="global"), make.record("random", 9, ranking="global")]
    differences = tables(make, gather_results("x", records))[1]
    assert row(differences, "taylor")["to magnitude"].endswith("†")
    assert not row(differences, "l1")["to magnitude"].endswith("†")
    assert row(differences, "l1")["to random"] == "no shared seed"


def test_untimed_points_among_timed_ones(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), (0, 1), (0.5,))
    accuracies = tables(make, gather_results("x", records, [make.latency(records[0])]))[0]
    assert row(accuracies, "taylor")["measured"] == "not timed"
    assert row(accuracies, "magnitude")["measured"].endswith("x (n = 1)")


def test_an_unreliable_timing_is_marked(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), (0,), (0.5,))
    records[0] = records[0].model_copy(update={"widths": {"conv1": (20, 3)}})  # shares no measurement
    timings = [make.latency(r) for r in records]
    timings[0] = timings[0].model_copy(update={"speedup": 10.0, "low": 0.4, "high": 11.5})
    results = gather_results("x", records, timings)
    accuracies = tables(make, results)[0]
    assert row(accuracies, "magnitude")["measured"] == "10.00x ‡"
    assert "‡" not in row(accuracies, "taylor")["measured"]
    sections = comparison_sections(make.summary(results), differences_table(results), "here", False)
    assert Text(UNRELIABLE) in sections[0].blocks
