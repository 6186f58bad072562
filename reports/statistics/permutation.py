"""The sign-flip permutation test of paired differences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.vectors import finite_vector

MOST_SUMS = 2**16  # different sums of half the differences: 32 differences always have fewer
DRAWS = 99_999  # of signs, where there are more


@dataclass(frozen=True)
class SignFlip:
    """A p, and the smallest that differences of this many blocks could have given."""

    p: float
    smallest: float


def sign_flip(differences: ArrayLike) -> SignFlip:
    """Two-sided sign-flip permutation test of 'the mean difference is zero' (Fisher 1935).

    differences: (n,), n >= 1, of pairs; under the hypothesis each sign is as likely as the other. p is the fraction
    of the 2**n assignments of signs whose absolute sum reaches the observed one. It is exact up to n = 32, and above
    for accuracies, whose sums are whole numbers of pictures and often equal. Otherwise signs are drawn (seeded) and
    the observed ones counted as one draw, so that p is never too small (Phipson and Smyth 2010). Zeros stay zero
    whatever their sign, so the smallest attainable p counts the others only: 2**(1 - m) for m that are not zero.

    >>> sign_flip([1.0, 2.0, 3.0])
    SignFlip(p=0.25, smallest=0.25)
    """
    d = finite_vector(differences)
    slack = 1e-9 * float(np.abs(d).sum())  # ties must count although sums round differently
    observed = abs(float(d.sum()))
    moved = int(np.count_nonzero(d))
    smallest = 2.0 ** (1 - moved) if moved else 1.0
    if observed <= slack:
        return SignFlip(1.0, smallest)
    halves = [_signed_sums(part, slack) for part in (d[: len(d) // 2], d[len(d) // 2 :])]
    if any(len(sums) > MOST_SUMS for sums, _ in halves):
        return SignFlip(_drawn(d, observed - slack), max(smallest, 1 / (DRAWS + 1)))
    (left, left_shares), (right, right_shares) = halves
    above = np.append(np.cumsum(right_shares[::-1])[::-1], 0.0)
    reached = above[np.searchsorted(right, observed - slack - left)]
    return SignFlip(min(1.0, 2 * float(left_shares @ reached)), smallest)


def _signed_sums(d: NDArray[np.float64], slack: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the different sums under all signs, ascending, and the share of each; stops above `MOST_SUMS`."""
    sums, shares = np.zeros(1), np.ones(1)
    for value in d:
        sums, shares = np.concatenate([sums + value, sums - value]), np.concatenate([shares, shares]) / 2
        order = np.argsort(sums, kind="stable")
        sums, shares = sums[order], shares[order]
        first = np.flatnonzero(np.diff(sums, prepend=-np.inf) > slack / 1000)
        sums, shares = sums[first], np.add.reduceat(shares, first)
        if len(sums) > MOST_SUMS:
            break
    return sums, shares


def _drawn(d: NDArray[np.float64], reached: float) -> float:
    rng = np.random.default_rng(0)
    sums = np.concatenate([rng.choice((-1.0, 1.0), size=(11_111, len(d))) @ d for _ in range(DRAWS // 11_111)])
    return float(1 + np.count_nonzero(np.abs(sums) >= reached)) / (DRAWS + 1)
