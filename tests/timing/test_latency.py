from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from prunebench.timing.latency import median_interval, paired, repeats, synchronised


@pytest.mark.parametrize(("seconds", "times"), [(0.5, 1), (0.002, 1), (0.001, 2), (0.0003, 7), (0.0, 20000)])
def test_short_calls_are_repeated(seconds: float, times: int) -> None:
    assert repeats(seconds) == times


def test_the_two_are_timed_in_turn(clock: Any) -> None:
    dense, pruned = paired(clock.call("d", 0.004), clock.call("p", 0.001), 40, (1, 2))
    assert dense == pytest.approx([0.004] * 40)
    assert pruned == pytest.approx([0.001] * 40)
    pairs = {"".join(clock.calls[start : start + 3]) for start in range(0, 120, 3)}
    assert pairs == {"dpp", "ppd"}  # chance decides which comes first


def test_the_paired_ratio_stands_a_drift(clock: Any) -> None:
    def slowing(seconds: float) -> Callable[[int], float]:
        return lambda count: seconds * (1 + 0.05 * (1 + len(clock.calls)))

    dense, pruned = paired(clock.call("d", slowing(0.02)), clock.call("p", slowing(0.01)), rounds=20)
    assert dense[-1] > 2 * dense[0]
    assert (dense / pruned) == pytest.approx([2.0] * 20, abs=0.11)


def test_other_work_in_the_rhythm_of_the_pairs_favours_neither(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def call() -> None:  # every other one meets other work
        clock.calls.append("x")
        clock.now += 0.02 if len(clock.calls) % 2 else 0.03

    draws = np.random.default_rng(0)
    monkeypatch.setattr(np.random, "default_rng", lambda: draws)
    ends = [median_interval(np.divide(*paired(call, call, 20)))[1:] for _ in range(200)]
    assert np.mean([low <= 1 <= high for low, high in ends]) == pytest.approx(0.9586, abs=0.04)


def test_constants_have_no_interval() -> None:
    assert median_interval(np.full(7, 1.5)) == (1.5, 1.5, 1.5)
    assert median_interval(np.array([3.0])) == (3.0, 3.0, 3.0)


@pytest.mark.parametrize("count", [4, 5])
def test_few_values_give_their_range(count: int) -> None:
    assert median_interval(np.arange(1.0, count + 1))[1:] == (1.0, count)


@pytest.mark.parametrize("count", [6, 7, 20, 21, 100, 1001])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_is_that_of_the_sign_test(count: int, level: float) -> None:
    values = np.random.default_rng(count).normal(2.0, 0.1, count)
    median, low, high = median_interval(values, level)
    expected = stats.quantile_test(values, q=2.0, p=0.5).confidence_interval(level)
    assert (median, low, high) == (np.median(values), expected.low, expected.high)


def test_the_interval_covers_as_often_as_it_says() -> None:
    draws = np.random.default_rng(1)
    ends = [median_interval(draws.standard_t(2, 20))[1:] for _ in range(2000)]
    assert np.mean([low <= 0 <= high for low, high in ends]) == pytest.approx(0.9586, abs=0.015)  # exactly, of 20


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
