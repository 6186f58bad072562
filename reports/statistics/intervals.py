"""Means with confidence intervals, over blocks (seeds)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from prunebench.reports.statistics.vectors import finite_vector, is_constant

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval; `low` and `high` are None for one value, which has no interval."""

    n: int
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean and two-sided t interval.

    values: (n,), any unit, n >= 1, finite; one value gives no interval, equal values (up to rounding)
    one of width zero. Raises ValueError for none, or for values that are not finite.

    >>> t_interval([1.0, 2.0, 3.0]).low.__round__(4)
    -0.4841
    >>> t_interval([5.0])
    Interval(n=1, mean=5.0, low=None, high=None)
    """
    x = finite_vector(values)
    n, mean = len(x), float(x.mean())
    if n == 1:
        return Interval(1, mean)
    if is_constant(x):  # the mean of equal numbers may be off by one rounding
        return Interval(n, float(x[0]), float(x[0]), float(x[0]))
    half = float(special.stdtrit(n - 1, (1 + level) / 2)) * float(x.std(ddof=1)) / n**0.5
    return Interval(n, mean, mean - half, mean + half)


def paired_interval(ours: Sequence[float], reference: Sequence[float], level: float = LEVEL) -> Interval:
    """Mean and t interval of ours - reference over blocks.

    ours, reference: (n,), the i-th of both from the same block. Raises ValueError where the lengths differ.

    >>> paired_interval([3.0, 5.0], [1.0, 3.0])
    Interval(n=2, mean=2.0, low=2.0, high=2.0)
    """
    if len(ours) != len(reference):
        raise ValueError(f"{len(ours)} values cannot be paired with {len(reference)}")
    return t_interval(finite_vector(ours) - finite_vector(reference), level)


def bca_interval(values: ArrayLike, level: float = LEVEL, draws: int = 10_000, seed: int = 0) -> Interval:
    """Mean and its bias-corrected and accelerated bootstrap interval (Efron 1987).

    values: (n,), any unit, n >= 1, finite; one value gives no interval, equal values (up to rounding) one of width
    zero. The same seed gives the same interval. Raises ValueError for none, for values that are not finite, or for
    fewer than 1,000 draws.

    At few values it is too narrow: in simulations 95 % intervals held the true mean of normal values in about 84 % of
    cases at n = 5, 90 % at 10, 94 % at 30 (t: 95 %), of exponential ones in 80 %, 88 % and 93 % (t: 88 %, 90 %, 93 %).

    >>> bca_interval([5.0])
    Interval(n=1, mean=5.0, low=None, high=None)
    """
    x = finite_vector(values)
    if draws < 1_000:
        raise ValueError(f"the bootstrap needs at least 1000 draws, not {draws}")
    if len(x) == 1 or is_constant(x):
        return t_interval(np.full(len(x), x[0]), level)
    rng = np.random.default_rng(seed)  # as `random_state`: scipy before 1.15 has no `rng`
    found = stats.bootstrap(
        (x,), np.mean, confidence_level=level, n_resamples=draws, method="BCa", random_state=rng
    ).confidence_interval
    return Interval(len(x), float(x.mean()), float(found.low), float(found.high))
