from dataclasses import replace
from types import SimpleNamespace

from prunebench.records.record import Record
from prunebench.records.requested import Requested, RequestedTrajectories
from prunebench.records.tuning import Choice
from prunebench.reports.analysis.curves import areas_table
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.results import gather
from prunebench.reports.sections import details
from prunebench.reports.tables.widths import widths_table


def text(section: Section) -> str:
    parts = []
    for block in section.blocks:
        if isinstance(block, Text):
            parts.append(block.text)
        elif isinstance(block, Items):
            parts += block.lines
        elif isinstance(block, Table):
            parts += [block.caption, *(" | ".join(row) for row in (block.header, *block.rows))]
    return "\n".join(parts)


def test_below_random_names_the_emptied_layers(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "random"), (0, 1), (0.5,))
    records += make.grid(("taylor", "magnitude"), (0, 1), (0.5,), "global")
    results = gather("x", records)
    found = text(details.below_random_section(results, differences_table(results)))
    assert "global | 0.5 MACs | taylor | -" in found and "fc1 500 -> 50 (2 of 2 seeds)" in found
    assert "magnitude" not in found


def test_below_random_with_equal_widths_is_the_choice_of_units(make: SimpleNamespace) -> None:
    results = gather("x", [make.record("l0", 0, accuracy=0.5), make.record("random", 0, accuracy=0.6)])
    found = text(details.below_random_section(results, differences_table(results)))
    assert "-10.00 (n = 1) | same widths as random" in found


def test_below_random_is_not_claimed_without_random(make: SimpleNamespace) -> None:
    results = gather("x", [make.record()])
    assert "not known" in details.below_random_section(results, differences_table(results)).why
    results = gather("x", make.grid(("magnitude", "random")))
    assert "No criterion" in text(details.below_random_section(results, differences_table(results)))


def asked(criteria: tuple[str, ...], keeps: tuple[float, ...], seeds: tuple[int, ...] = (0, 1, 2)) -> Requested:
    one = {"dataset": "mnist", "model": "lenet5", "seeds": seeds}
    trajectories = tuple(RequestedTrajectories(criterion=criterion, **one) for criterion in criteria)  # type: ignore[arg-type]
    return Requested(ranking="local", metric="macs", keeps=keeps, trajectories=trajectories)


def test_failures_have_reasons_and_gaps_are_listed(make: SimpleNamespace) -> None:
    records = [r for r in make.grid(("magnitude", "l0")) if (r.cell.criterion, r.cell.seed) != ("l0", 1)]
    results = gather("x", [*records, make.failure("l0", 1, 0.25, "out of memory")])
    found = text(details.failures_section(replace(results, asked=(asked(("magnitude", "l0"), (0.5, 0.25)),))))
    assert "1 cell failed" in found and "l0, seed 1, keep 0.25 MACs: out of memory" in found
    assert found.count("keep 0.5 MACs, l0: seed 1") == 1 and "keep 0.25 MACs, l0: seed" not in found


def test_what_was_not_asked_for_is_no_gap(make: SimpleNamespace) -> None:
    results = gather("x", make.grid(("magnitude",), (0, 1, 2), (0.5,)) + make.grid(("l0",), (0, 1), (0.25,)))
    runs = asked(("magnitude",), (0.5,)), asked(("l0",), (0.25,), (0, 1))
    assert text(details.failures_section(replace(results, asked=runs))).startswith("None: every cell")
    assert text(details.failures_section(results)) == "No cell failed."  # the source does not say what was asked for
    more = asked(("l0",), (0.25,))  # a run that was broken off before the third seed
    assert "keep 0.25 MACs, l0: seed 2" in text(details.failures_section(replace(results, asked=(*runs, more))))


def test_ineffective_sparse_training_is_flagged(make: SimpleNamespace) -> None:
    assert "l1 on mnist x lenet5: seed 0 (1 of 3)" in text(details.sparse_section(gather("x", make.grid())))
    assert "None:" in text(details.sparse_section(gather("x", make.grid(("l0",)))))
    assert "No network" in details.sparse_section(gather("x", make.grid(("obd",)))).why


def test_copies_of_one_computation_are_named_and_count_as_one(make: SimpleNamespace) -> None:
    scores = make.record().accuracy

    def copies(criterion: str, value: float) -> list[Record]:
        same = scores.model_copy(update={"finetuned": value})
        return [
            make.record(criterion, seed).model_copy(update={"accuracy": same, "per_image": None}) for seed in range(9)
        ]

    results = gather("x", [*copies("magnitude", 0.8), *copies("taylor", 0.9), *make.grid(("obd",), tuple(range(9)))])
    (section,) = details.repeated_sections(results)
    assert "mnist x lenet5: `magnitude`, `taylor`" in text(section)
    pairs = differences_table(results).set_index(["criterion", "reference"])["n"]
    assert (pairs["taylor", "magnitude"], pairs["obd", "magnitude"]) == (1, 9)
    assert details.repeated_sections(gather("x", make.grid())) == []
    smaller = [
        r.model_copy(update={"cell": r.cell.model_copy(update={"keep": 0.25}), "key": r.key + "b"})
        for r in results.records
    ]
    smaller = [r.model_copy(update={"keep": {name: x / 2 for name, x in r.keep.items()}}) for r in smaller]
    areas = areas_table(gather("x", [*results.records, *smaller])).set_index(["criterion", "reference"])["n"]
    assert (areas["taylor", "magnitude"], areas["obd", "magnitude"]) == (1, 9)


def test_tuned_strengths_are_said(make: SimpleNamespace) -> None:
    records = [r.model_copy(update={"strength": 3e-4}) for r in make.grid(("l0",))]
    assert "l0 on mnist x lenet5: strength 0.0003" in text(details.sparse_section(gather("x", records)))
    found = {"1e-05": 0.8, "0.0001": 0.9, "0.0003": 0.95}
    facts = {"task": "mnist x lenet5", "criterion": "l0", "metric": "macs", "keeps": (0.5,), "seeds": (1000,)}
    tuning = Choice(**facts, value=3e-4, validation=found, trials=15, seconds=42.0)
    told = text(details.sparse_section(replace(gather("x", records), tunings=(tuning,))))
    assert "strength 0.0003, the best of 3 strengths in 15 trials, 42.0 s of training, at an end of the range" in told
    of_weights = tuning.model_copy(update={"metric": "weights", "trials": 3})
    told = text(details.sparse_section(replace(gather("x", records), tunings=(of_weights, tuning))))
    assert "in 15 trials" in told and "in 3 trials" not in told
    single = [
        r.model_copy(update={"cell": r.cell.model_copy(update={"metric": "weights"}), "weights": r.widths})
        for r in records
    ]
    told = text(details.sparse_section(replace(gather("x", single), tunings=(tuning, of_weights))))
    assert "in 3 trials" in told and "in 15 trials" not in told


def test_criteria_with_equal_widths_share_a_column(make: SimpleNamespace) -> None:
    found = text(details.widths_section(widths_table(gather("x", make.grid()))))
    assert "layer | dense | all criteria" in found
    mixed = gather("x", make.grid(("magnitude", "l1", "taylor"), ranking="global"))
    found = text(details.widths_section(widths_table(mixed)))
    assert "layer | dense | magnitude, l1 | taylor" in found and "fc1 | 500 | 353 | 50*" in found
