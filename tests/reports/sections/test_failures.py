from dataclasses import replace
from types import SimpleNamespace

from prunebench.records.record import Record
from prunebench.records.requested import Requested, RequestedTrajectories
from prunebench.reports.analysis.differences import areas_table, differences_table
from prunebench.reports.results import gather_results
from prunebench.reports.sections.failures import failures_section, repeated_sections


def asked(criteria: tuple[str, ...], keeps: tuple[float, ...], seeds: tuple[int, ...] = (0, 1, 2)) -> Requested:
    one = {"dataset": "mnist", "model": "lenet5", "seeds": seeds}
    trajectories = tuple(RequestedTrajectories(criterion=criterion, **one) for criterion in criteria)  # type: ignore[arg-type]
    return Requested(ranking="local", metric="macs", keeps=keeps, trajectories=trajectories)


def test_failures_have_reasons_and_gaps_are_listed(make: SimpleNamespace) -> None:
    records = [r for r in make.grid(("magnitude", "l0")) if (r.cell.criterion, r.cell.seed) != ("l0", 1)]
    results = gather_results("x", [*records, make.failure("l0", 1, 0.25, "out of memory")])
    found = make.text(failures_section(replace(results, asked=(asked(("magnitude", "l0"), (0.5, 0.25)),))))
    assert "1 cell failed" in found and "l0, seed 1, keep 0.25 MACs: out of memory" in found
    assert found.count("keep 0.5 MACs, l0: seed 1") == 1 and "keep 0.25 MACs, l0: seed" not in found


def test_what_was_not_asked_for_is_no_gap(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude",), (0, 1, 2), (0.5,)) + make.grid(("l0",), (0, 1), (0.25,)))
    runs = asked(("magnitude",), (0.5,)), asked(("l0",), (0.25,), (0, 1))
    assert make.text(failures_section(replace(results, asked=runs))).startswith("None: every cell")
    assert make.text(failures_section(results)) == "No cell failed."  # the source does not say what was asked for
    more = asked(("l0",), (0.25,))  # a run that was broken off before the third seed
    assert "keep 0.25 MACs, l0: seed 2" in make.text(failures_section(replace(results, asked=(*runs, more))))


def test_copies_of_one_computation_are_named_and_count_as_one(make: SimpleNamespace) -> None:
    scores = make.record().accuracy

    def copies(criterion: str, value: float) -> list[Record]:
        same = scores.model_copy(update={"finetuned": value})
        return [
            make.record(criterion, seed).model_copy(update={"accuracy": same, "per_image": None}) for seed in range(9)
        ]

    results = gather_results(
        "x", [*copies("magnitude", 0.8), *copies("taylor", 0.9), *make.grid(("obd",), tuple(range(9)))]
    )
    (section,) = repeated_sections(results)
    assert "mnist x lenet5: `magnitude`, `taylor`" in make.text(section)
    pairs = differences_table(results).set_index(["criterion", "reference"])["n"]
    assert (pairs["taylor", "magnitude"], pairs["obd", "magnitude"]) == (1, 9)
    assert repeated_sections(gather_results("x", make.grid())) == []
    smaller = [
        r.model_copy(update={"cell": r.cell.model_copy(update={"keep": 0.25}), "key": r.key + "b"})
        for r in results.records
    ]
    smaller = [r.model_copy(update={"keep": {name: x / 2 for name, x in r.keep.items()}}) for r in smaller]
    areas = areas_table(gather_results("x", [*results.records, *smaller])).set_index(["criterion", "reference"])["n"]
    assert (areas["taylor", "magnitude"], areas["obd", "magnitude"]) == (1, 9)
