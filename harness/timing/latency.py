"""Paired latency: dense and pruned network timed in turn (A B A B), and the median of the paired ratios.

The speed of a machine drifts. The drift biases a comparison of networks timed one after the other, but not in turn.
"""

import time

import numpy as np
import torch
from numpy.typing import NDArray

from prunebench.timing.warming import Call

Seconds = NDArray[np.float64]


def paired(dense: Call, pruned: Call, rounds: int, times: tuple[int, int] = (1, 1)) -> tuple[Seconds, Seconds]:
    """Time two calls in turn. Returns the seconds per call of each, (rounds,).

    times: how often a sample repeats each call; see `repeats`.
    """
    seconds = np.empty((rounds, 2))
    for number in range(rounds):
        for side, call in enumerate((dense, pruned)):
            start = time.perf_counter()
            for _ in range(times[side]):
                call()
            seconds[number, side] = (time.perf_counter() - start) / times[side]
    return seconds[:, 0], seconds[:, 1]


def repeats(seconds: float, least: float = 0.002) -> int:
    """Return how often a sample repeats a call, so that it lasts about `least` seconds: a clock has a resolution."""
    return max(1, round(least / max(seconds, 1e-7)))


def median_interval(ratios: Seconds, level: float = 0.95, resamples: int = 2000) -> tuple[float, float, float]:
    """Median with a circular block-bootstrap interval. Blocks keep neighbours in time together: they are correlated.

    ratios: (n,) in the order of measurement; blocks have about n^(1/3) members. Returns (median, low, high).

    >>> median_interval(np.array([2.0, 2.0, 2.0, 2.0]))
    (2.0, 2.0, 2.0)
    """
    count = len(ratios)
    length = max(1, round(count ** (1 / 3)))
    draws = np.random.default_rng(0)
    starts = draws.integers(0, count, (resamples, -(-count // length)))
    index = (starts[:, :, None] + np.arange(length)) % count
    medians = np.median(ratios[index.reshape(resamples, -1)[:, :count]], axis=1)
    low, high = np.quantile(medians, [(1 - level) / 2, (1 + level) / 2])
    return float(np.median(ratios)), float(low), float(high)


def synchronised(call: Call, device: torch.device) -> Call:
    """Wrap a call so that it returns only when the device has finished its work."""
    waits: dict[str, Call] = {"cuda": lambda: torch.cuda.synchronize(device), "mps": torch.mps.synchronize}
    if device.type not in waits:
        return call

    def finished() -> None:
        call()
        waits[device.type]()

    return finished
