"""Paired latency: dense and pruned network timed in turn, and the median of the paired ratios.

The speed of a machine drifts. The drift biases a comparison of networks timed one after the other, but not in turn.
Chance decides which of a pair comes first: with a fixed order, other work in the rhythm of the pairs hit one of the two
more often.
"""

import time
from itertools import accumulate, takewhile
from math import comb

import numpy as np
import torch
from numpy.typing import NDArray

from prunebench.timing.warming import Call

Seconds = NDArray[np.float64]


def paired(dense: Call, pruned: Call, rounds: int, times: tuple[int, int] = (1, 1)) -> tuple[Seconds, Seconds]:
    """Time two calls in pairs, each in random order. Returns the seconds per call of each, (rounds,).

    times: how often a sample repeats each call; see `repeats`.
    """
    seconds, calls = np.empty((rounds, 2)), (dense, pruned)
    for number, first in enumerate(np.random.default_rng().integers(0, 2, rounds)):
        for side in (first, 1 - first):
            start = time.perf_counter()
            for _ in range(times[side]):
                calls[side]()
            seconds[number, side] = (time.perf_counter() - start) / times[side]
    return seconds[:, 0], seconds[:, 1]


def repeats(seconds: float, least: float = 0.002) -> int:
    """Return how often a sample repeats a call, so that it lasts about `least` seconds: a clock has a resolution."""
    return max(1, round(least / max(seconds, 1e-7)))


def median_interval(ratios: Seconds, level: float = 0.95) -> tuple[float, float, float]:
    """Median with its exact interval, which lies between two of the values (that of the sign test).

    Pairs in random order make it exact for equal networks: each ratio is above 1 as often as below, whatever the noise.
    Five ratios or fewer give their range, which covers less.

    ratios: (n,). Returns (median, low, high).

    >>> median_interval(np.arange(1.0, 21.0))
    (10.5, 6.0, 15.0)
    """
    ordered, count = np.sort(ratios), len(ratios)
    ways = accumulate(comb(count, below) for below in range(count))  # in which so many values or fewer lie below it
    rare = takewhile(lambda way: way / 2**count <= (1 - level) / 2, ways)
    place = max(sum(1 for _ in rare) - 1, 0)
    return float(np.median(ordered)), float(ordered[place]), float(ordered[count - 1 - place])


def synchronised(call: Call, device: torch.device) -> Call:
    """Wrap a call so that it returns only when the device has finished its work."""
    waits: dict[str, Call] = {"cuda": lambda: torch.cuda.synchronize(device), "mps": torch.mps.synchronize}
    if device.type not in waits:
        return call

    def finished() -> None:
        call()
        waits[device.type]()

    return finished
