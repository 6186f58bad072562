"""Checks the clock of latencies: python -P docs/check_clock.py. Nothing else may run on the machine meanwhile.

A network is timed against a copy of itself: the 95 % interval of the speed-up is to cover 1. It is timed against the
same network called twice: the speed-up is to be 2. Both are tried on a quiet machine and with other cores busy. Prints
how often the interval covered 1, and the median of the speed-ups. Exit code 1 where a goal is missed.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import NamedTuple

import torch
from tabulate import tabulate
from torch import nn

from prunebench.plugins.registry import get_model, load_registry
from prunebench.timing.backends import runner
from prunebench.timing.cores import CoreShare
from prunebench.timing.latency import median_interval, paired, repeats
from prunebench.timing.warming import Call, warm_up

COVERED = 0.9  # share of the intervals that cover the truth, at least
APART = 0.05  # of the median speed-up from the truth, at most, as a share of the truth
SHAPES = {"lenet5": (1, 28), "resnet20": (3, 32)}  # channels and pixels of the models
MULTIPLY = """
import numpy
numbers = numpy.ones((512, 512))
while True:
    numbers @ numbers
"""


class Trial(NamedTuple):
    """Speed-up that one measurement found, with its interval."""

    speedup: float
    low: float
    high: float


class Row(NamedTuple):
    """Trials of one case. truth: the speed-up that there is."""

    model: str
    case: str
    truth: float
    core: float
    trials: Sequence[Trial]

    def covered(self) -> float:
        """Share of the intervals that cover the truth."""
        return sum(low <= self.truth <= high for _, low, high in self.trials) / len(self.trials)

    def found(self) -> float:
        """Median of the speed-ups."""
        return median(one.speedup for one in self.trials)

    def good(self) -> bool:
        """Tell whether the case reached its goal: of a network against itself the coverage, else the speed-up."""
        return self.covered() >= COVERED if self.truth == 1 else abs(self.found() / self.truth - 1) <= APART


def trial(one: Call, other: Call, rounds: int) -> Trial:
    """Time two calls as `prunebench time` does."""
    first, second = (repeats(seconds) for seconds in warm_up(one, other))
    a, b = paired(one, other, rounds, (first, second))
    return Trial(*median_interval(a / b))


def twice(call: Call) -> Call:
    """Make a call that calls another twice."""

    def both() -> None:
        call()
        call()

    return both


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Keep some cores busy inside, each by a process that multiplies matrices."""
    others = [subprocess.Popen([sys.executable, "-c", MULTIPLY]) for _ in range(count)]
    try:
        time.sleep(3 * bool(others))  # they import first
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def tried(model: str, batch: int, rounds: int, trials: int, busy: int) -> Iterator[Row]:
    """Try a model with some cores busy. Each trial makes its two networks anew: elsewhere in memory."""
    channels, size = SHAPES[model]
    torch.manual_seed(0)
    built = get_model(model, load_registry(()))(channels, size, 10)  # type: ignore[call-overload]
    assert isinstance(built, nn.Module)
    pictures = torch.randn(batch, channels, size, size)
    place = f"{busy} busy core{'s' * (busy > 1)}" if busy else "quiet"
    with busy_cores(busy):
        for name, truth, times in (("itself", 1.0, trials), ("called twice", 2.0, max(1, trials // 4))):
            share, found = CoreShare(), []
            for _ in range(times):
                one, other = (runner(built, pictures, "eager") for _ in range(2))
                found.append(trial(twice(one) if truth == 2 else one, other, rounds))
            yield Row(model, f"{name}, {place}", truth, share(), found)


def table(rows: Sequence[Row]) -> str:
    """Write one line for each case."""
    header = ("model", "case", "own core", "trials", "covered", "median", "goal", "")
    cells = [
        (
            *(row.model, row.case, f"{row.core:.0%}", len(row.trials), f"{row.covered():.0%}", f"{row.found():.3f}"),
            f"covered >= {COVERED:.0%}" if row.truth == 1 else f"median {row.truth:g} within {APART:.0%}",
            "reached" if row.good() else "MISSED",
        )
        for row in rows
    ]
    return tabulate(cells, header, "simple", disable_numparse=True)


def main() -> None:
    """Read the options and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=100, help="of a network against itself")
    parser.add_argument("--busy", type=int, default=max(1, (os.cpu_count() or 1) - 1), help="cores kept busy")
    given = parser.parse_args()
    torch.set_num_threads(1)
    settings = given.batch, given.rounds, given.trials
    rows = [row for busy in (0, given.busy) for name in given.models for row in tried(name, *settings, busy)]
    print(table(rows))
    sys.exit(not all(row.good() for row in rows))


if __name__ == "__main__":
    main()
