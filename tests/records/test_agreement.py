from typing import Any

import pytest

from prunebench.records.agreement import differences
from prunebench.records.record import Cell, Environment, Record
from prunebench.records.selection import SelectionFacts


def record(cpu: str, **changes: Any) -> Record:
    cell = Cell(dataset="digits", model="lenet5", criterion="obd", seed=0, metric="macs", keep=0.5, ranking="local")
    facts = {"groups": 3, "removed": 90, "by_lot": 1, "error": 0.1, "within_error": 5, "otherwise": 50} | changes
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
    selection = SelectionFacts.model_validate(facts)
    return Record(key="k", cell=cell, protocol={}, fingerprint="f", selection=selection, environment=environment)


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
    assert (differences(record("one"), record("other", **changes)) == []) == agrees
    assert differences(record("one"), record("one", **changes))
