"""The exact sign-flip permutation test of paired differences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.vectors import vector

EXACT_UP_TO = 40  # differences: half of them are enumerated at a time, 2**20 sums
FEW = 2**16  # sums among which equal ones are looked for


@dataclass(frozen=True)
class SignFlip:
    """An exact p, and the smallest that differences of this many blocks could have given."""

    p: float
    smallest: float


def sign_flip(differences: ArrayLike) -> SignFlip:
    """Exact two-sided sign-flip permutation test of 'the mean difference is zero' (Fisher 1935).

    differences: (n,), 1 <= n <= 40, of pairs; under the hypothesis each sign is as likely as the other. p is the
    fraction of the 2**n assignments of signs whose absolute sum reaches the observed one. Zeros stay zero whatever
    their sign, so the smallest attainable p counts the others only: 2**(1 - m) for m differences that are not zero.

    >>> sign_flip([1.0, 2.0, 3.0])
    SignFlip(p=0.25, smallest=0.25)
    """
    d = vector(differences)
    if len(d) > EXACT_UP_TO:
        raise ValueError(f"{len(d)} differences; exact enumeration goes up to {EXACT_UP_TO}")
    slack = 1e-9 * float(np.abs(d).sum())  # ties must count although sums round differently
    observed = abs(float(d.sum()))
    moved = int(np.count_nonzero(d))
    smallest = 2.0 ** (1 - moved) if moved else 1.0
    if observed <= slack:
        return SignFlip(1.0, smallest)
    left, left_counts = _signed_sums(d[: len(d) // 2], slack)
    right, right_counts = _signed_sums(d[len(d) // 2 :], slack)
    order = np.argsort(right)
    below = np.concatenate([[0.0], np.cumsum(right_counts[order])])  # whole numbers under 2**53: exact
    reached = below[-1] - below[np.searchsorted(right[order], observed - slack - left)]
    return SignFlip(2 * float(left_counts @ reached) / 2.0 ** len(d), smallest)


def _signed_sums(d: NDArray[np.float64], slack: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the sums under all signs and how often each comes.

    Accuracies are whole numbers of pictures, so a million sums fall on a few thousand places. Where they do not, equal
    sums are not looked for beyond `FEW`.
    """
    sums, counts = np.zeros(1), np.ones(1)
    for value in d:
        sums, counts = np.concatenate([sums + value, sums - value]), np.concatenate([counts, counts])
        if len(sums) <= FEW:
            order = np.argsort(sums)
            sums, counts = sums[order], counts[order]
            first = np.flatnonzero(np.diff(sums, prepend=-np.inf) > slack / 1000)
            sums, counts = sums[first], np.add.reduceat(counts, first)
    return sums, counts
