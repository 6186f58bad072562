from types import SimpleNamespace

from prunebench.records.packed import PerPicture
from prunebench.records.record import Record
from prunebench.reports.analysis.answers import find_answers
from prunebench.reports.answer.headline import headline_section
from prunebench.reports.document import Items, Table
from prunebench.reports.results import Results, gather_results

Gaps = dict[str, tuple[float, ...]]
UP = tuple(0.01 + 0.001 * i for i in range(10))
DOWN, EVEN = tuple(-gap for gap in UP), (0.001, -0.001) * 5
WITHOUT_SPEED = ("kept", "criterion", "verdict", "accuracy", "dense", "speed-up in theory")


def at_keep(make: SimpleNamespace, keep: float, gaps: Gaps, ranking: str = "local") -> list[Record]:
    """Points of `magnitude`, and of others at given differences from it, one for each seed."""
    found = [make.record("magnitude", seed, keep, ranking, accuracy=0.9) for seed in range(10)]
    pairs = [(name, seed, gap) for name, part in gaps.items() for seed, gap in enumerate(part)]
    return found + [make.record(name, seed, keep, ranking, accuracy=0.9 + gap) for name, seed, gap in pairs]


def blocks(make: SimpleNamespace, results: Results) -> list[object]:
    tables = make.tables(results)
    answers = find_answers(tables["summary"], tables["differences"], results.demonstration)
    return [*headline_section(results, answers, tables, "").blocks]


def table(make: SimpleNamespace, results: Results) -> Table:
    (found,) = (block for block in blocks(make, results) if isinstance(block, Table))
    return found


def test_every_keep_has_its_criterion_and_its_verdict(make: SimpleNamespace) -> None:
    records = at_keep(make, 0.5, {"taylor": UP, "obd": DOWN}) + at_keep(make, 0.25, {"taylor": EVEN, "obd": DOWN})
    records += at_keep(make, 0.1, {"taylor": DOWN, "obd": DOWN}) + at_keep(make, 0.05, {"obd": UP[:5]})
    found = table(make, gather_results("x", records))
    assert found.header == WITHOUT_SPEED and found.text_columns == 3
    assert [row[:4] for row in found.rows] == [
        ("50 % of the MACs", "taylor", "better than magnitude by 1.45 points (1.23 to 1.67; 10 seeds)", "91.45 %"),
        ("25 % of the MACs", "magnitude", "undecided: taylor (10 seeds)", "90.00 %"),
        ("10 % of the MACs", "magnitude", "the others are worse (10 seeds)", "90.00 %"),
        (
            *("5 % of the MACs", "magnitude"),
            *("no verdict: too few seeds (5 seeds); highest mean: obd 91.20 %", "90.00 %"),
        ),
    ]
    assert [row[2] for row in found.styles] == ["better", "open", "", ""]


def test_an_open_criterion_with_a_higher_mean_is_told_beside_the_verdict(make: SimpleNamespace) -> None:
    gaps = {"taylor": (0.012, -0.01) * 5, "obd": (0.011, -0.01) * 5, "l1": (-0.03, 0.02) * 5}
    (row,) = table(make, gather_results("x", at_keep(make, 0.5, gaps))).rows
    assert row[1:4] == ("magnitude", "undecided: taylor, obd, l1 (10 seeds); highest mean: taylor 90.10 %", "90.00 %")
    few = {"taylor": UP[:3]}
    (row,) = table(make, gather_results("x", at_keep(make, 0.5, few))).rows
    assert row[1:3] == ("magnitude", "no verdict: too few seeds (3 seeds); highest mean: taylor 91.10 %")


def test_nothing_is_answered_without_the_baseline(make: SimpleNamespace) -> None:
    found = table(make, gather_results("x", [make.record("taylor", seed) for seed in range(6)]))
    assert [row[1:4] for row in found.rows] == [("-", "no verdict: magnitude was not run", "-")]
    found = table(make, gather_results("x", [make.record("magnitude", seed) for seed in range(6)]))
    assert [row[1:3] for row in found.rows] == [("magnitude", "nothing to compare")]


def test_a_demonstration_names_no_better_criterion(make: SimpleNamespace) -> None:
    records = at_keep(make, 0.5, {"taylor": UP})
    found = table(make, gather_results("x", records, preset="quick"))
    told = "no verdict: a demonstration; highest mean: taylor 91.45 %"
    assert [row[1:3] for row in found.rows] == [("magnitude", told)] and found.styles[0][2] == ""


def test_what_training_alone_gives(make: SimpleNamespace) -> None:
    records = at_keep(make, 0.5, {"taylor": UP})
    dense = f"{100 * sum(r.accuracy.dense for r in records[:10] if r.accuracy) / 10:.2f} %"
    found = table(make, gather_results("x", records))
    assert dict(zip(found.header, found.rows[0], strict=True))["dense"] == dense
    assert "What training alone would give is not known" in str(blocks(make, gather_results("x", records)))
    records += [make.record("dense_continued", seed, accuracy=0.95) for seed in range(10)]
    found = table(make, gather_results("x", records))
    assert dict(zip(found.header, found.rows[0], strict=True))["dense, trained as long"] == "95.00 %"
    assert "not known" not in str(blocks(make, gather_results("x", records)))


def test_the_speed_stands_with_its_machine(make: SimpleNamespace) -> None:
    records = at_keep(make, 0.5, {"taylor": UP}) + at_keep(make, 0.25, {"taylor": UP})
    timings = [
        make.latency(r).model_copy(update={"speedup": 1 / r.cell.keep, "low": 1.9, "high": 4.1}) for r in records
    ]
    found = table(make, gather_results("x", records, timings))
    assert ": every keep. Speed-up measured on imaginary (eager, batch 64, 1 thread). What training" in found.caption
    assert "every keep. Nothing was timed." in table(make, gather_results("x", records)).caption
    cells = [dict(zip(found.header, row, strict=True)) for row in found.rows]
    assert [cell["speed-up measured"] for cell in cells] == ["2.00 ± 0.00x ‡", "4.00 ± 0.00x ‡"]
    assert cells[0]["speed-up in theory"].startswith("1.9")
    assert "‡ unreliable" in str(blocks(make, gather_results("x", records, timings)))
    some = [one for one in timings if one.key == records[0].key or "0.25" in one.key]
    assert table(make, gather_results("x", records, some)).rows[0][-2] == "-"  # the criterion was not timed there


def test_every_task_has_its_sentences_and_its_table(make: SimpleNamespace) -> None:
    records = at_keep(make, 0.5, {"taylor": UP}) + at_keep(make, 0.5, {"taylor": UP}, "global")
    other = [
        r.model_copy(update={"key": f"o-{r.key}", "cell": r.cell.model_copy(update={"dataset": "cifar10"})})
        for r in records
    ]
    found = blocks(make, gather_results("x", [*records, *other]))[:4]
    assert [type(block) for block in found] == [Items, Table, Items, Table]
    assert [block.task for block in found if isinstance(block, Items | Table)] == [
        *("cifar10 x lenet5", "cifar10 x lenet5"),
        *("mnist x lenet5", "mnist x lenet5"),
    ]
    for part in found:
        if isinstance(part, Table):
            assert [row[0] for row in part.rows] == ["local", "global"] and part.header[0] == "ranking"
        elif isinstance(part, Items):
            assert len(part.lines) == 2


def test_what_holds_for_these_pictures_only_says_so(make: SimpleNamespace) -> None:
    right = {"magnitude": [1, 1, 0, 0] * 5, "taylor": [1, 1, 0, 0] * 4 + [1, 1, 1, 0]}  # one picture of twenty
    images = {c: PerPicture.pack(r, r, r) for c, r in right.items()}
    found = [make.record(c, s, accuracy=sum(right[c]) / 20, per_image=images[c]) for c in right for s in range(6)]
    (row,) = table(make, gather_results("x", found)).rows
    assert row[2].endswith("; 6 seeds), on these test pictures")
