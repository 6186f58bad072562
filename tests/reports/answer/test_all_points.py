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


def whole(table: Table) -> list[dict[str, str]]:
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


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
    assert "repaired" not in plain
    some = [r.model_copy(update={"accuracy": r.accuracy.model_copy(update={"repaired": 0.6})}) for r in records[:2]]
    cells = {
        line["criterion"]: line["repaired"] for line in whole(table(make, gather_results("x", some + records[2:])))
    }
    assert cells == {"magnitude": "60.00", "taylor": "n/a"}
    both = records + make.grid(("taylor",), (0, 1), (0.5,), "global")
    assert "ranking" in table(make, gather_results("x", both)).header
    five = [r.model_copy(update={"top5": r.accuracy}) for r in records]
    found = row(table(make, gather_results("x", five)), "taylor")
    assert found["accuracy"].startswith(f"{found['top-5']} ± ")


def test_one_task_stands_in_the_caption_and_several_in_a_column(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), (0, 1), (0.5,))
    one = table(make, gather_results("x", records))
    assert one.header[:3] == ("keep", "criterion", "n") and one.text_columns == 2
    assert one.caption.startswith("mnist x lenet5. Accuracy in %")
    cells = [record.cell.model_copy(update={"dataset": "digits"}) for record in records]
    others = [make.record(cell.criterion, cell.seed, key=f"o{n}", cell=cell) for n, cell in enumerate(cells)]
    two = table(make, gather_results("x", records + others))
    assert two.header[0] == "task" and two.text_columns == 3 and {line[0] for line in two.styles} == {"task"}


def test_a_demonstration_has_no_verdict(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "taylor"), (0, 1), (0.5,)))
    assert row(table(make, results, demonstration=True), "taylor")["verdict"] == "n/a"


def test_untimed_points_among_timed_ones(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), (0, 1), (0.5,))
    records[0] = records[0].model_copy(update={"widths": {"conv1": (20, 3)}})  # shares no measurement
    timing = make.latency(records[0]).model_copy(update={"speedup": 10.0, "low": 0.4, "high": 11.5})
    found = table(make, gather_results("x", records, [timing]))
    assert row(found, "taylor")["measured"] == "not timed"
    assert row(found, "magnitude")["measured"] == "10.00x (n = 1) ‡"
    assert found.caption.endswith("Measured: here.")


def test_a_point_without_a_shared_seed_has_no_number(make: SimpleNamespace) -> None:
    results = gather_results("x", [make.record("magnitude", 0), make.record("taylor", 1)])
    assert row(table(make, results), "taylor")["difference"] == "no shared seed"


def test_marks_and_small_keeps(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "taylor"), range(2), (0.5,), "global")
    found = table(make, gather_results("x", records, [make.latency(r) for r in records[1:]]))
    assert row(found, "taylor")["difference"].endswith(" †")
    assert row(found, "magnitude")["measured"].endswith("x (n = 1)")
    weights = records[0].model_copy(
        update={
            "cell": records[0].cell.model_copy(update={"metric": "weights", "keep": 0.004, "ranking": "local"}),
            "keep": {"weights": 0.00402, "params": 1.0, "macs": 1.0},
            "weights": {"conv1": (1000, 4)},
        }
    )
    assert row(table(make, gather_results("x", [weights])), "magnitude")["kept"] == "0.40 %"
