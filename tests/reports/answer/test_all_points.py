from types import SimpleNamespace

from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.answer.all_points import points_table
from prunebench.reports.document import Table
from prunebench.reports.results import Results, gather_results


def table(make: SimpleNamespace, results: Results, demonstration: bool = False) -> Table:
    return points_table(make.summary(results), differences_table(results), "here", demonstration)


def row(table: Table, criterion: str) -> dict[str, str]:
    column = table.header.index("criterion")
    return dict(zip(table.header, next(row for row in table.rows if row[column] == criterion), strict=True))


def test_numbers_as_a_reader_sees_them(make: SimpleNamespace) -> None:
    records = [make.record("taylor", s, accuracy=a) for s, a in enumerate((0.95, 0.93))]
    records += [make.record("magnitude", s, accuracy=a) for s, a in enumerate((0.90, 0.90))]
    found = table(make, gather_results("x", records))
    assert row(found, "magnitude")["accuracy"] == "90.00 (all equal)"
    # 4 points on average, s = sqrt(2), t(.975, 1) = 12.7062: half = 12.7062
    assert row(found, "taylor")["accuracy"] == "94.00 ± 12.71 §"  # to 106.71 %
    assert row(found, "taylor")["difference"] == "+4.00 [-8.71, +16.71]"
    assert (row(found, "taylor")["verdict"], row(found, "magnitude")["verdict"]) == ("too few seeds", "n/a")
    assert row(found, "taylor")["keep"] == "0.5 MACs" and found.tools


def test_columns_that_say_nothing_are_left_out(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), (0, 1), (0.5,))
    plain = table(make, gather_results("x", records)).header
    assert not {"ranking", "top-5", "measured"} & {*plain} and "cut, BN re-est." in plain
    scores = [r.accuracy.model_copy(update={"cut_bn": r.accuracy.cut}) for r in records]
    same = [r.model_copy(update={"accuracy": score}) for r, score in zip(records, scores, strict=True)]
    assert "cut, BN re-est." not in table(make, gather_results("x", same)).header
    both = records + make.grid(("taylor",), (0, 1), (0.5,), "global")
    assert "ranking" in table(make, gather_results("x", both)).header
    five = [r.model_copy(update={"top5": r.accuracy.model_copy(update={"finetuned": 0.99})}) for r in records]
    assert row(table(make, gather_results("x", five)), "taylor")["top-5"] == "99.00"


def test_a_demonstration_has_no_verdict(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "taylor"), (0, 1), (0.5,)))
    assert row(table(make, results, demonstration=True), "taylor")["verdict"] == "n/a"


def test_untimed_points_among_timed_ones(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), (0, 1), (0.5,))
    records[0] = records[0].model_copy(update={"widths": {"conv1": (20, 3)}})  # shares no measurement
    timing = make.latency(records[0]).model_copy(update={"speedup": 10.0, "low": 0.4, "high": 11.5})
    found = table(make, gather_results("x", records, [timing]))
    assert row(found, "taylor")["measured"] == "not timed"
    assert row(found, "magnitude")["measured"] == "10.00x ‡"
    assert found.caption.endswith("Measured: here.")
