"""Timings of a results folder are kept shape by shape."""

import logging
from typing import Any

import pytest
import torch

from prunebench.errors import UserError
from prunebench.study.store import Store
from prunebench.timing.stored import time_records
from prunebench.timing.timer import Stopwatch


@pytest.fixture
def watch(computed: Any, tmp_path: Any) -> Stopwatch:
    """Give a stopwatch whose timings go to a folder of their own, with the networks of the finished run."""
    (tmp_path / "stages").symlink_to(computed.spec.results / "stages")
    return Stopwatch(Store(tmp_path), torch.device("cpu"), "eager", 1, 4)


def failing(monkeypatch: pytest.MonkeyPatch, numbers: set[int], error: BaseException) -> None:
    """Let the measurements with these numbers fail."""
    original, count = Stopwatch.measure, 0

    def measure(self: Stopwatch, *given: Any) -> Any:
        nonlocal count
        count += 1
        if count in numbers:
            raise error
        return original(self, *given)

    monkeypatch.setattr(Stopwatch, "measure", measure)


def test_what_was_timed_before_an_interruption_is_kept(
    computed: Any, watch: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, {3}, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        time_records(list(computed.records.values()), watch)
    (path,) = (watch.store.folder / "timing").glob("*.json")
    assert path.read_text().count('"key"') >= 2


def test_a_shape_that_fails_is_named_and_the_others_are_timed(
    computed: Any, watch: Stopwatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failing(monkeypatch, {2}, RuntimeError("out of memory\ntoo large"))
    records = list(computed.records.values())
    with caplog.at_level(logging.WARNING):
        latencies = time_records(records, watch)
    assert 0 < len(latencies) < len(records)
    assert "not timed: " in caplog.text and "at macs=" in caplog.text and "out of memory" in caplog.text
    (path,) = (watch.store.folder / "timing").glob("*.json")
    assert path.read_text().count('"key"') == len(latencies)


def test_where_all_fail_or_a_network_is_missing_it_is_said(
    computed: Any, watch: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = computed.records["l1", 0.5]
    gone = record.model_copy(update={"network": "0" * 24})
    assert [one.key for one in time_records([gone, record], watch)] == [record.key]
    failing(monkeypatch, {1, 2}, RuntimeError("out of memory"))
    with pytest.raises(UserError, match=r"no network could be timed; the first failure: l1 at macs=0.5: RuntimeError"):
        time_records([record], watch)
