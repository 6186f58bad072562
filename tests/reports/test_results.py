from types import SimpleNamespace

import pytest

from prunebench.errors import UserError
from prunebench.reports.results import gather_results


def test_the_newest_record_of_a_cell_counts(make: SimpleNamespace) -> None:
    old, new = make.record(key="old", accuracy=0.5), make.record(key="new", accuracy=0.6)
    results = gather_results("x", [old, new])
    assert results.records == (new,)
    assert results.superseded == 1


def test_a_record_that_several_entries_carry_counts_once(make: SimpleNamespace) -> None:
    record = make.record()
    results = gather_results("x", [record, record])
    assert (len(results.records), results.superseded) == (1, 0)


def test_a_failure_stands_until_the_cell_comes_out(make: SimpleNamespace) -> None:
    failure, record = make.failure("l0", 1, 0.25), make.record("l0", 1, 0.25)
    assert gather_results("x", [failure, record]).failures == ()
    later = gather_results("x", [record, failure])
    assert (len(later.records), len(later.failures)) == (1, 1)


def test_latencies_are_unique_by_setting(make: SimpleNamespace) -> None:
    record = make.record()
    eager, onnx = make.latency(record), make.latency(record, backend="onnx")
    newer = eager.model_copy(update={"speedup": 9.0})
    assert gather_results("x", [record], [eager, onnx, newer]).latencies == {record.key: (newer, onnx)}


def test_a_finished_record_without_accuracy_is_corrupt(make: SimpleNamespace) -> None:
    with pytest.raises(UserError, match="corrupt record broken"):
        gather_results("here", [make.record(key="broken", accuracy=None).model_copy(update={"accuracy": None})])


def test_the_digest_is_of_what_was_computed_in_any_order(make: SimpleNamespace) -> None:
    one, two = make.record(key="one", seed=0, accuracy=0.5), make.record(key="two", seed=1, accuracy=0.6)
    found = gather_results("x", [one, two]).digest
    assert len(found) == 64 and found == gather_results("y", [two, one]).digest
    other = make.record(key="two", seed=1, accuracy=0.61)
    assert found != gather_results("x", [one, other]).digest
    assert gather_results("x", []).digest == ""
