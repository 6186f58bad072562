"""Warm-up on a clock that only calls move."""

from typing import Any

import numpy as np
import pytest

from prunebench.timing.warming import warm_up


def test_calls_are_warm_when_their_times_no_longer_fall(clock: Any) -> None:
    def falling(count: int) -> float:
        return 0.02 * (1 + 4 * 0.8**count)

    seconds = warm_up(clock.call("falling", falling), clock.call("steady", 0.02))
    count = clock.calls.count("falling")
    assert "".join(name[0] for name in clock.calls) == "fs" * count  # in turn
    assert seconds == pytest.approx([falling(count - 3), 0.02])
    assert falling(count - 3) >= 0.98 * falling(count - 8)  # medians of five and of the five before
    assert falling(count - 4) < 0.98 * falling(count - 9)


def test_noise_is_no_fall(clock: Any) -> None:
    draws = np.random.default_rng(0)
    warm_up(clock.call("x", lambda count: 0.02 * draws.uniform(1, 2)))
    assert clock.now < 1


def test_a_call_that_is_steady_at_once_runs_for_a_third_of_a_second(clock: Any) -> None:
    assert warm_up(clock.call("x", 0.004)) == pytest.approx([0.004])
    assert 0.3 <= clock.now <= 0.32


def test_times_that_fall_for_ever_end_after_three_seconds(clock: Any) -> None:
    warm_up(clock.call("x", lambda count: 0.1 * 0.99**count))
    assert 3.0 <= clock.now <= 3.1


def test_a_slow_network_runs_three_times(clock: Any) -> None:
    assert warm_up(clock.call("x", lambda count: 5.0 if count else 9.0)) == [5.0]  # a median of three
    assert len(clock.calls) == 3


def test_the_time_of_a_short_call_is_a_mean_of_many(clock: Any) -> None:
    assert warm_up(clock.call("x", lambda count: 0.0015 if count % 2 else 0.0005)) == pytest.approx([0.001], rel=0.1)
