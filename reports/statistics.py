"""Intervals and tests over blocks (seeds): small n, so the t interval and exact enumeration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
EXACT_UP_TO = 40  # differences: half of them are enumerated at a time, 2**20 sums


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


@dataclass(frozen=True)
class SignFlip:
    """An exact p, and the smallest that differences of this many blocks could have given."""

    p: float
    smallest: float


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean and two-sided t interval.

    values: (n,), any unit, n >= 1, finite; one value gives no interval, equal values one of width zero.
    Raises ValueError for none, or for values that are not finite.

    >>> t_interval([1.0, 2.0, 3.0]).low.__round__(4)
    -0.4841
    >>> t_interval([5.0])
    Interval(n=1, mean=5.0, low=None, high=None)
    """
    x = _vector(values)
    n, mean = len(x), float(x.mean())
    if n == 1:
        return Interval(1, mean)
    if np.ptp(x) == 0:  # the mean of equal numbers may be off by one rounding
        return Interval(n, float(x[0]), float(x[0]), float(x[0]))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * float(x.std(ddof=1)) / n**0.5
    return Interval(n, mean, mean - half, mean + half)


def paired_interval(ours: Sequence[float], reference: Sequence[float], level: float = LEVEL) -> Interval:
    """Mean and t interval of ours - reference over blocks.

    ours, reference: (n,), the i-th of both from the same block. Raises ValueError where the lengths differ.

    >>> paired_interval([3.0, 5.0], [1.0, 3.0])
    Interval(n=2, mean=2.0, low=2.0, high=2.0)
    """
    if len(ours) != len(reference):
        raise ValueError(f"{len(ours)} values cannot be paired with {len(reference)}")
    return t_interval(_vector(ours) - _vector(reference), level)


def sign_flip(differences: ArrayLike) -> SignFlip:
    """Exact two-sided sign-flip permutation test of 'the mean difference is zero' (Fisher 1935).

    differences: (n,), 1 <= n <= 40, of pairs; under the hypothesis each sign is as likely as the other. p is the
    fraction of the 2**n assignments of signs whose absolute sum reaches the observed one. Zeros stay zero whatever
    their sign, so the smallest attainable p counts the others only: 2**(1 - m) for m differences that are not zero.

    >>> sign_flip([1.0, 2.0, 3.0])
    SignFlip(p=0.25, smallest=0.25)
    """
    d = _vector(differences)
    if len(d) > EXACT_UP_TO:
        raise ValueError(f"{len(d)} differences; exact enumeration goes up to {EXACT_UP_TO}")
    slack = 1e-9 * float(np.abs(d).sum())  # ties must count although sums round differently
    observed = abs(float(d.sum()))
    moved = int(np.count_nonzero(d))
    smallest = 2.0 ** (1 - moved) if moved else 1.0
    if observed <= slack:
        return SignFlip(1.0, smallest)
    left, right = _signed_sums(d[: len(d) // 2]), np.sort(_signed_sums(d[len(d) // 2 :]))
    reached = len(right) - np.searchsorted(right, observed - slack - left)
    return SignFlip(2 * int(reached.sum()) / 2.0 ** len(d), smallest)


def _signed_sums(d: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _vector(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError("a vector of at least one finite number is needed")
    return x
