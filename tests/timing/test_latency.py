import numpy as np
import pytest
import torch

from prunebench.timing import latency
from prunebench.timing.latency import median_interval, paired, repeats, synchronised


class Clock:
    """A clock that only moves when a call takes its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def call(self, name: str, seconds: float, drift: float = 0.0) -> latency.Call:
        def run() -> None:
            self.calls.append(name)
            self.now += seconds * (1 + drift * len(self.calls))

        return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("prunebench.timing.latency.time.perf_counter", lambda: clock.now)
    return clock


@pytest.mark.parametrize(("seconds", "times"), [(0.5, 1), (0.002, 1), (0.001, 2), (0.0003, 7), (0.0, 20000)])
def test_short_calls_are_repeated(seconds: float, times: int) -> None:
    assert repeats(seconds) == times


def test_the_two_are_timed_in_turn(clock: Clock) -> None:
    dense, pruned = paired(clock.call("d", 0.004), clock.call("p", 0.001), 3, (1, 2))
    assert dense == pytest.approx([0.004] * 3)
    assert pruned == pytest.approx([0.001] * 3)
    assert "".join(clock.calls) == "dpp" * 3


def test_the_paired_ratio_stands_a_drift(clock: Clock) -> None:
    dense, pruned = paired(clock.call("d", 0.02, drift=0.05), clock.call("p", 0.01, drift=0.05), rounds=20)
    assert dense[-1] > 2 * dense[0]
    assert (dense / pruned) == pytest.approx([2.0] * 20, abs=0.1)


def test_constants_have_no_interval() -> None:
    assert median_interval(np.full(7, 1.5)) == (1.5, 1.5, 1.5)
    assert median_interval(np.array([3.0])) == (3.0, 3.0, 3.0)


def test_the_interval_of_two_values_is_both() -> None:
    # blocks of one of two values: half of the resampled medians lie between, a quarter at each end
    assert median_interval(np.array([1.0, 3.0])) == (2.0, 1.0, 3.0)


def test_the_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        median, low, high = median_interval(draws.normal(2.0, 0.1, 40), resamples=300)
        assert low <= median <= high
        hits += low <= 2.0 <= high
    assert 0.86 < hits / 200 <= 1.0


def test_the_interval_is_the_same_every_time_and_wider_where_neighbours_are_alike() -> None:
    values = np.random.default_rng(0).normal(2.0, 0.1, 64)
    assert median_interval(values) == median_interval(values)
    _, low, high = median_interval(values)
    _, low_sorted, high_sorted = median_interval(np.sort(values))
    assert high_sorted - low_sorted > 1.3 * (high - low)


def test_a_cpu_call_needs_no_waiting() -> None:
    def call() -> int:
        return 3

    assert synchronised(call, torch.device("cpu")) is call


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_an_accelerator_is_waited_for(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(getattr(torch, kind), "synchronize", lambda *_: done.append("waited"))
    synchronised(lambda: done.append("called"), torch.device(kind))()
    assert done == ["called", "waited"]
