"""Means over blocks (seeds) with confidence intervals."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from prunebench.reports.statistics.vectors import finite_vector, is_constant

LEVEL = 0.95  # of all intervals


@dataclass(frozen=True)
class Interval:
    """A mean of n values with its confidence interval. `low` and `high` are None for one value."""

    n: int
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def t_interval(values: ArrayLike) -> Interval:
    """Mean and two-sided t interval.

    values: (n,), any unit, n >= 1, finite. One value has no interval. Equal values (up to rounding) have an interval
    of width zero. Raises ValueError for no value, or for values that are not finite.

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
    half = float(special.stdtrit(n - 1, (1 + LEVEL) / 2)) * float(x.std(ddof=1)) / n**0.5
    return Interval(n, mean, mean - half, mean + half)


def bca_interval(values: ArrayLike, *, draws: int = 10_000) -> Interval:
    """Mean and bias-corrected and accelerated bootstrap interval of the mean (Efron 1987).

    values: (n,), any unit, n >= 1, finite. One value has no interval. Equal values (up to rounding) have an interval
    of width zero. The random numbers are seeded, so the same values give the same interval. Raises ValueError for no
    value, for values that are not finite, or for fewer than 1,000 draws.

    The interval is too narrow for few values. Simulations gave the coverage of 95 % intervals at n = 5, 10 and 30.
    Normal values: 84 %, 90 % and 94 % (t: 95 %). Exponential values: 80 %, 88 % and 93 % (t: 88 %, 90 %, 93 %).

    >>> bca_interval([5.0])
    Interval(n=1, mean=5.0, low=None, high=None)
    """
    x = finite_vector(values)
    if draws < 1_000:
        raise ValueError(f"the bootstrap needs at least 1000 draws, not {draws}")
    if len(x) == 1 or is_constant(x):
        return t_interval(np.full(len(x), x[0]))
    means = x[_resamples(len(x), draws)].mean(axis=1)
    low, high = np.quantile(means, _bca_levels(x, means)).tolist()
    return Interval(len(x), float(x.mean()), low, high)


@lru_cache(maxsize=4)  # all points of a task have the same number of seeds
def _resamples(n: int, draws: int) -> NDArray[np.int64]:
    """Draw the indices of every resample, (draws, n)."""
    return np.random.default_rng(0).integers(0, n, (draws, n))


def _bca_levels(x: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the two quantiles of the resampled means (Efron and Tibshirani 1993, equations 14.10, 14.14 and 14.15)."""
    n, mean = len(x), x.mean()
    below = np.count_nonzero(means < mean) + np.count_nonzero(means <= mean)
    bias = special.ndtri(below / (2 * len(means)))
    left_out = np.tile(x, (n, 1))[~np.eye(n, dtype=bool)].reshape(n, n - 1).mean(axis=1)
    u = (n - 1) * (left_out.mean() - left_out)
    acceleration = (u**3).sum() / n**3 / 6 / ((u**2).sum() / n**2) ** 1.5
    z = bias + special.ndtri((1 - LEVEL) / 2) * np.array([1.0, -1.0])
    levels: NDArray[np.float64] = special.ndtr(bias + z / (1 - acceleration * z))
    return levels
