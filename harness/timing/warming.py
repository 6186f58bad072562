"""Warm-up: calls run in turn until their times no longer fall.

The first calls of a network are slow: memory is allocated, kernels are chosen, the clock of the processor rises.
"""

import time
from collections.abc import Callable
from statistics import median

Call = Callable[[], object]

_WINDOW = 5  # times whose median is compared with that of as many before them
_FALL = 0.98  # a median below this multiple of the one before has fallen
_LEAST, _MOST = 0.3, 3.0  # seconds of a warm-up; the least lets the share of a core be read
_ROUNDS = 3  # of a warm-up in any case: one round of large networks may take longer than `_MOST`
_SAMPLE = 0.01  # seconds that one time is taken over


def warm_up(*calls: Call) -> list[float]:
    """Run calls in turn until their times no longer fall. Returns the seconds of each, a median of its last times."""
    began, passed, rounds = time.perf_counter(), 0.0, 0
    times: list[list[float]] = [[] for _ in calls]
    while not (passed >= _LEAST and all(map(_steady, times))) and not (passed >= _MOST and rounds >= _ROUNDS):
        for own, call in zip(times, calls, strict=True):
            own.append(_sample(call))
        passed, rounds = time.perf_counter() - began, rounds + 1
    return [median(own[-_WINDOW:]) for own in times]


def _steady(times: list[float]) -> bool:
    before, last = times[-2 * _WINDOW : -_WINDOW], times[-_WINDOW:]
    return len(before) == _WINDOW and median(last) >= _FALL * median(before)


def _sample(call: Call) -> float:
    """Repeat a call for a while. Returns the seconds of one."""
    start, count = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < _SAMPLE or not count:
        call()
        count += 1
    return passed / count
