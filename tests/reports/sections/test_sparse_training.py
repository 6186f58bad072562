from dataclasses import replace
from types import SimpleNamespace

from prunebench.records.sparse import ChoiceChange, PushedUnits
from prunebench.records.tuning import Choice
from prunebench.reports.document import Table
from prunebench.reports.results import gather_results
from prunebench.reports.sections.sparse_training import sparse_section


def test_where_the_change_is_unknown_a_term_that_hardly_falls_is_flagged(make: SimpleNamespace) -> None:
    section = sparse_section(gather_results("x", make.grid(("l1", "l0"))))
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert {(row[1], row[3], row[-1]) for row in table.rows} == {
        *(("l1", keep, "1") for keep in ("0.5 MACs", "0.25 MACs")),
        *(("l0", keep, "0") for keep in ("0.5 MACs", "0.25 MACs")),
    }
    assert "No network" in sparse_section(gather_results("x", make.grid(("obd",)))).why_empty


def test_the_change_of_the_choice_decides_and_is_shown_beside_chance(make: SimpleNamespace) -> None:
    changes = {0.5: ChoiceChange(overlap=0.95, by_chance=0.5), 0.25: ChoiceChange(overlap=0.95, by_chance=0.9)}
    records = [r.model_copy(update={"change": changes[r.cell.keep]}) for r in make.grid(("l0",))]
    section = sparse_section(gather_results("x", records))
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert table.rows[0] == ("mnist x lenet5", "l0", "local", "0.5 MACs", "3", "59 %", "50 %", "95 %", "50 %", "3")
    assert table.rows[1][-3:] == ("95 %", "90 %", "0")


def test_tuned_strengths_are_said(make: SimpleNamespace) -> None:
    records = [r.model_copy(update={"strength": 3e-4}) for r in make.grid(("l0",))]
    assert "l0 on mnist x lenet5: strength 0.0003" in make.text(sparse_section(gather_results("x", records)))
    found = {"1e-05": 0.8, "0.0001": 0.9, "0.0003": 0.95}
    facts = {"task": "mnist x lenet5", "criterion": "l0", "metric": "macs", "keeps": (0.5,), "seeds": (1000,)}
    tuning = Choice(**facts, value=3e-4, validation=found, trials=15, seconds=42.0)
    told = make.text(sparse_section(replace(gather_results("x", records), tunings=(tuning,))))
    assert "strength 0.0003, the best of 3 strengths in 15 trials, 42.0 s of training, at an end of the range" in told
    of_weights = tuning.model_copy(update={"metric": "weights", "trials": 3})
    told = make.text(sparse_section(replace(gather_results("x", records), tunings=(of_weights, tuning))))
    assert "in 15 trials" in told and "in 3 trials" not in told
    single = [
        r.model_copy(update={"cell": r.cell.model_copy(update={"metric": "weights"}), "weights": r.widths})
        for r in records
    ]
    told = make.text(sparse_section(replace(gather_results("x", single), tunings=(tuning, of_weights))))
    assert "in 3 trials" in told and "in 15 trials" not in told


def test_pushed_and_cut_units_are_one_line_for_each_criterion(make: SimpleNamespace) -> None:
    counts = {(0, 0.5): (285, 285), (1, 0.5): (285, 245), (0, 0.25): (428, 285), (1, 0.25): (428, 285)}
    records = [
        make.record("l1", seed, keep, pushed=PushedUnits(units=570, pushed=285, cut=cut, both=both))
        for (seed, keep), (cut, both) in counts.items()
    ]
    told = make.text(sparse_section(gather_results("x", records)))
    assert (
        "l1 on mnist x lenet5: 285 of 570 pushed; at macs=0.5 285 cut, 265 of them pushed; "
        "at macs=0.25 428 cut, 285 of them pushed" in told
    )
    told = make.text(
        sparse_section(gather_results("x", [make.record("l1", 0, 0.5, "global", pushed=records[0].pushed)]))
    )
    assert "at macs=0.5 (global) 285 cut" in told
    assert "pushed" not in make.text(sparse_section(gather_results("x", make.grid(("l1",)))))


def test_open_probabilities_of_gates_are_tabulated_by_group_once_for_each_seed(make: SimpleNamespace) -> None:
    records = make.grid(("l0",))
    bins = {"conv1": (3, *[0] * 8, 17), "fc1": (400, *[0] * 8, 100)}
    sparse = [r.sparse.model_copy(update={"gates": bins}) for r in records]
    records = [r.model_copy(update={"sparse": s}) for r, s in zip(records, sparse, strict=True)]
    _, table = (b for b in sparse_section(gather_results("x", records)).blocks if isinstance(b, Table))
    seeds = len({r.cell.seed for r in records})
    assert table.rows[0] == ("l0 on mnist x lenet5", "conv1", str(3 * seeds), *["0"] * 8, str(17 * seeds))
    assert [row[1] for row in table.rows] == ["conv1", "fc1"]
    assert len(table.header) == 12 and table.header[-1] == "to 1"
