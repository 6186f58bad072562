"""The sign-flip permutation test of paired differences."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.vectors import finite_vector

MOST_SUMS = 2**16  # distinct sums of half the differences: 32 differences always have fewer
MOST_UNITS = 2**14  # sum of the absolute differences in whole units, up to which every sum is counted
DRAWS = 99_999  # of signs, where there are more distinct sums


@dataclass(frozen=True)
class PValue:
    """A p value, and the smallest p that the test could have given for data of this kind."""

    p: float
    smallest: float


def sign_flip(differences: ArrayLike) -> PValue:
    """Two-sided sign-flip permutation test of 'the mean difference is zero' (Fisher 1935).

    differences: (n,), n >= 1. Under the hypothesis each sign is as likely as the other. p is the fraction of the 2**n
    assignments of signs whose absolute sum reaches the observed one. p is exact up to n = 32. Above, p is exact for
    accuracies, whose sums are whole numbers of pictures and often equal. Otherwise signs are drawn (seeded), and the
    observed signs count as one draw, so that p is never too small (Phipson and Smyth 2010). The smallest p counts only
    the m differences that are not zero: 2**(1 - m).

    >>> sign_flip([1.0, 2.0, 3.0])
    PValue(p=0.25, smallest=0.25)
    """
    d = finite_vector(differences)
    slack = 1e-9 * float(np.abs(d).sum())  # equal sums must count as equal although they round differently
    observed = abs(float(d.sum()))
    moved = int(np.count_nonzero(d))
    smallest = 2.0 ** (1 - moved) if moved else 1.0
    if observed <= slack:
        return PValue(1.0, smallest)
    units = whole_units(d, slack)
    if units is not None:
        return PValue(_p_of_units(units), smallest)
    left, left_shares = _signed_sums(d[: len(d) // 2], slack)
    right, right_shares = _signed_sums(d[len(d) // 2 :], slack) if len(left) <= MOST_SUMS else (left, left_shares)
    if max(len(left), len(right)) > MOST_SUMS:
        return PValue(_p_of_draws(d, observed - slack), max(smallest, 1 / (DRAWS + 1)))
    above = np.append(np.cumsum(right_shares[::-1])[::-1], 0.0)
    reached = above[np.searchsorted(right, observed - slack - left)]
    return PValue(min(1.0, 2 * float(left_shares @ reached)), smallest)


def whole_units(d: NDArray[np.float64], slack: float) -> NDArray[np.int64] | None:
    """Give d, (n,), in whole numbers of its greatest common unit, as accuracies on the same pictures have one.

    None where there is no such unit, or where the sum of all is above `MOST_UNITS` of them.
    """
    sizes = np.abs(d[d != 0])
    unit, least = float(sizes.min()), float(sizes.sum()) / MOST_UNITS
    while unit >= least:
        counts = np.rint(sizes / unit)
        rest = np.abs(sizes - unit * counts)
        rest = rest[rest > slack / len(d)]
        if not len(rest):
            return np.rint(d / unit).astype(np.int64)
        unit = float(rest.min())  # Euclid's algorithm
    return None


def _p_of_units(units: NDArray[np.int64]) -> float:
    """Share of the signs whose absolute sum reaches the observed one, which is not zero. units: (n,)."""
    sizes, shares = np.abs(units).tolist(), np.ones(1)  # the share of each sum, from the least sum on in whole units
    for size in sizes:
        half = shares / 2
        shares = np.zeros(len(half) + 2 * size)
        shares[: len(half)] = half
        shares[2 * size :] += half
    return min(1.0, 2 * float(shares[sum(sizes) + abs(int(units.sum())) :].sum()))


def _signed_sums(d: NDArray[np.float64], slack: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the distinct sums under all signs, ascending, and the share of each. Stops above `MOST_SUMS` sums."""
    sums, shares = np.zeros(1), np.ones(1)
    for value in d:
        sums, shares = np.concatenate([sums + value, sums - value]), np.concatenate([shares, shares]) / 2
        order = np.argsort(sums, kind="stable")
        sums, shares = sums[order], shares[order]
        first = np.append(0, np.flatnonzero(sums[1:] - sums[:-1] > slack / 1000) + 1)
        sums, shares = sums[first], np.add.reduceat(shares, first)
        if len(sums) > MOST_SUMS:
            break
    return sums, shares


def _p_of_draws(d: NDArray[np.float64], reached: float) -> float:
    sums = np.einsum("pvn,n->pv", _drawn_signs(len(d)), d)  # without the signs as float64, as `@` would make them
    return float(1 + np.count_nonzero(np.abs(sums) >= reached)) / (DRAWS + 1)


@lru_cache(maxsize=1)  # the contrasts of a report mostly have the same seeds
def _drawn_signs(n: int) -> NDArray[np.int8]:
    """Draw sign vectors, in 9 parts: (9, vectors, n)."""
    rng = np.random.default_rng(0)
    return np.stack([(2 * rng.integers(2, size=(DRAWS // 9, n)) - 1).astype(np.int8) for _ in range(9)])
