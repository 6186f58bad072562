"""The sign-flip permutation test of paired differences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.vectors import vector

EXACT_UP_TO = 30  # differences: half of them are enumerated at a time, 2**15 sums
DRAWS = 99_999  # of signs, where there are more


@dataclass(frozen=True)
class SignFlip:
    """A p, and the smallest that differences of this many blocks could have given."""

    p: float
    smallest: float


def sign_flip(differences: ArrayLike) -> SignFlip:
    """Two-sided sign-flip permutation test of 'the mean difference is zero' (Fisher 1935).

    differences: (n,), n >= 1, of pairs; under the hypothesis each sign is as likely as the other. p is the fraction
    of the 2**n assignments of signs whose absolute sum reaches the observed one, counted exactly up to n = 30. Above,
    signs are drawn (seeded) and the observed ones counted as one draw, so that p is never too small (Phipson and Smyth
    2010). Zeros stay zero whatever their sign, so the smallest attainable p counts the others only: 2**(1 - m) for m
    differences that are not zero.

    >>> sign_flip([1.0, 2.0, 3.0])
    SignFlip(p=0.25, smallest=0.25)
    """
    d = vector(differences)
    slack = 1e-9 * float(np.abs(d).sum())  # ties must count although sums round differently
    observed = abs(float(d.sum()))
    moved = int(np.count_nonzero(d))
    smallest = 2.0 ** (1 - moved) if moved else 1.0
    if len(d) > EXACT_UP_TO:
        smallest = max(smallest, 1 / (DRAWS + 1))
    if observed <= slack:
        return SignFlip(1.0, smallest)
    if len(d) > EXACT_UP_TO:
        return SignFlip(_drawn(d, observed - slack), smallest)
    left, right = _signed_sums(d[: len(d) // 2]), np.sort(_signed_sums(d[len(d) // 2 :]))
    reached = len(right) - np.searchsorted(right, observed - slack - left)
    return SignFlip(2 * int(reached.sum()) / 2.0 ** len(d), smallest)


def _signed_sums(d: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _drawn(d: NDArray[np.float64], reached: float) -> float:
    rng = np.random.default_rng(0)
    sums = np.concatenate([rng.choice((-1.0, 1.0), size=(11_111, len(d))) @ d for _ in range(DRAWS // 11_111)])
    return float(1 + np.count_nonzero(np.abs(sums) >= reached)) / (DRAWS + 1)
