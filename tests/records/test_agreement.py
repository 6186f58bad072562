from typing import Any

import pytest

from prunebench.records.agreement import differences
from prunebench.records.record import Cell, Environment, Record
from prunebench.records.selection import SelectionFacts
from prunebench.records.sparse import ChoiceChange, PushedUnits, SparseFacts


def record(cpu: str, **fields: Any) -> Record:
    cell = Cell(dataset="digits", model="lenet5", criterion="obd", seed=0, metric="macs", keep=0.5, ranking="local")
    environment = Environment(
        versions={},
        device="cpu",
        cpu=cpu,
        threads=1,
        commit=None,
        seconds={},
        cutting_seconds=0,
        reused=(),
        peak_memory=0,
    )
    return Record(key="k", cell=cell, protocol={}, fingerprint="f", environment=environment, **fields)


def drawn(cpu: str, **changes: Any) -> Record:
    facts = {"groups": 3, "removed": 90, "by_lot": 1, "error": 0.1, "within_error": 5, "otherwise": 50} | changes
    return record(cpu, selection=SelectionFacts.model_validate(facts))


def trained(cpu: str, cut: int, both: int, overlap: float = 0.9) -> Record:
    gates = {"conv": (both, *[0] * 8, 20 - both)}
    return record(
        cpu,
        sparse=SparseFacts(before=1, after=0.5, gradient_ratio={}, acted_on=1, gates=gates),
        pushed=PushedUnits(units=20, pushed=10, cut=cut, both=both),
        change=ChoiceChange(overlap=overlap, by_chance=0.5),
    )


@pytest.mark.parametrize(
    ("changes", "agrees"),
    [
        ({"error": 0.105}, True),
        ({"error": 0.12}, False),
        ({"within_error": 6}, True),
        ({"within_error": 7}, False),
        ({"otherwise": 54}, True),
        ({"removed": 91}, False),
        ({"by_lot": 2}, True),
    ],
)
def test_the_error_of_draws_may_differ_by_rounding_between_machines(changes: dict[str, Any], agrees: bool) -> None:
    assert (differences(drawn("one"), drawn("other", **changes)) == []) == agrees
    assert differences(drawn("one"), drawn("one", **changes))


def test_other_machines_may_push_open_and_choose_other_units_but_not_cut_more() -> None:
    first = trained("one", cut=10, both=9)
    assert differences(first, trained("other", cut=10, both=5, overlap=0.8)) == []
    assert [name for name, _, _ in differences(first, trained("other", cut=9, both=5))] == ["pushed.cut"]
    same = [name for name, _, _ in differences(first, trained("one", cut=10, both=5, overlap=0.8))]
    assert same == ["sparse.gates.conv.0", "sparse.gates.conv.9", "pushed.both", "change.overlap"]


def test_a_field_of_a_later_version_contradicts_nothing() -> None:
    counts = [{"weights": 9, "near_zero": 1}, {"weights": 4, "near_zero": 0}]
    old, new = record("one"), record("one", weight_counts=counts)
    assert differences(old, new) == [] == differences(new, old)
    counts[1] = {"weights": 4, "near_zero": 2}
    assert differences(new, record("one", weight_counts=counts)) and not differences(
        new, record("2", weight_counts=counts)
    )
    counts[1] = {"weights": 3, "near_zero": 0}
    assert differences(new, record("2", weight_counts=counts))


def test_counts_by_layer_contradict_no_older_counts() -> None:
    counts = [{"weights": 9, "near_zero": 1}, {"weights": 4, "near_zero": 0}]
    layered = [counts[0] | {"layers": {"a": [9, 1]}}, counts[1] | {"layers": {"a": [4, 0]}}]
    old, new = record("one", weight_counts=counts), record("one", weight_counts=layered)
    assert differences(old, new) == [] == differences(new, old)
    other = [layered[0], counts[1] | {"layers": {"b": [4, 0]}}]
    assert [name for name, *_ in differences(new, record("one", weight_counts=other))] == [
        "weight_counts.1.layers.a.0",
        "weight_counts.1.layers.a.1",
        "weight_counts.1.layers.b.0",
        "weight_counts.1.layers.b.1",
    ]
