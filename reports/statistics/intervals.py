"""Means over blocks (seeds) with confidence intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

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
    rng = np.random.default_rng(0)  # as `random_state`: scipy before 1.15 has no `rng`
    found = stats.bootstrap(
        (x,), np.mean, confidence_level=LEVEL, n_resamples=draws, method="BCa", random_state=rng
    ).confidence_interval
    return Interval(len(x), float(x.mean()), float(found.low), float(found.high))
