"""The share of its core that a thread has, on clocks of the test."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from prunebench.study.store import Store
from prunebench.timing import cores, latency, timer, warming
from prunebench.timing.cores import CoreShare
from prunebench.timing.timer import Stopwatch


class Machine:
    """Two clocks: a call takes 20 ms of the machine's time, of which the thread has a share."""

    def __init__(self, share: float) -> None:
        self.now, self.worked, self.share = 0.0, 0.0, share

    def call(self) -> None:
        self.now, self.worked = self.now + 0.02, self.worked + 0.02 * self.share


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(0.43)
    clocks = SimpleNamespace(perf_counter=lambda: machine.now, thread_time=lambda: machine.worked)
    for module in (cores, warming, latency):
        monkeypatch.setattr(module, "time", clocks)
    return machine


@pytest.fixture
def watch(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    monkeypatch.setattr(timer.environment, "device_name", lambda device: device)
    return Stopwatch(Store(tmp_path), torch.device("cpu"), "eager", 1, 4)


def test_a_share_is_what_the_thread_computed_since(machine: Machine) -> None:
    share = CoreShare()
    assert share() == 1.0  # no time has passed
    machine.call()
    assert share() == pytest.approx(0.43)
    later = CoreShare()
    machine.share = 1.1  # clocks that disagree
    machine.call()
    assert later() == 1.0


def test_a_busy_machine_is_named_once_before_the_timing_and_kept(
    machine: Machine, watch: Stopwatch, computed: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = timer.paired

    def paired(*given: Any) -> Any:
        assert len(caplog.messages) == 1  # said before
        machine.share = 0.6
        return original(*given)

    monkeypatch.setattr(timer, "paired", paired)
    with caplog.at_level(logging.WARNING):
        first, other = (watch.measure(machine.call, machine.call, computed.records["l1", 0.5]) for _ in range(2))
    assert caplog.messages == [
        "the machine is too busy to time on: the timing thread had 43 % of its core; stop other work"
    ]
    assert first.core_share is not None and 0.43 < first.core_share < 0.6  # of warm-up and timing together
    assert other.core_share == pytest.approx(0.6)


def test_the_share_of_one_of_several_threads_tells_nothing(
    machine: Machine, watch: Stopwatch, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    watch.warm_up(machine.call)
    assert caplog.messages == []


@pytest.mark.parametrize(("share", "device", "backend"), [(0.93, "cpu", "eager"), (0.1, "meta", "eager")])
def test_an_idle_machine_and_a_thread_that_waits_for_its_device_are_not_named(
    share: float,
    device: str,
    backend: Any,
    machine: Machine,
    tmp_path: Any,
    computed: Any,
    caplog: Any,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(timer.environment, "device_name", lambda device: device)
    machine.share = share
    watch = Stopwatch(Store(tmp_path), torch.device(device), backend, 1, 4)
    found = watch.measure(machine.call, machine.call, computed.records["l1", 0.5])
    assert caplog.messages == []
    assert found.core_share == (None if device == "meta" else pytest.approx(share))
