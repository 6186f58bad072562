"""One test of many contrasts: signs are flipped for all of them together, with step-down maxima."""

from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_SIGNS = 2**19  # sign vectors: all of them up to 20 seeds
DRAWS = 2**17  # sign vectors with more seeds: a p of 0.05 has a standard error of 0.0006
DRAWN = 2**20  # statistics of the sign vectors that are drawn at a time
BLOCK = 2**18  # products of numbers at a time: OpenBLAS would share more among threads, which costs more than it brings
SLACK = 1e-9  # equal statistics must count as equal although they round differently


def joint_sign_flips(
    differences: ArrayLike, groups: Sequence[Hashable], *, pooled: bool = True, most: int = MOST_SIGNS
) -> list[float]:
    """Test 'the mean is zero' and give each contrast's adjusted two-sided p (Westfall and Young 1993, algorithm 2.8).

    differences: (contrasts, seeds), any unit. A missing pair is NaN; each contrast needs a pair. groups: the budget of
    each contrast. Under the hypothesis the signs of a seed's differences, all at once, are as likely as the opposite.

    The statistic is sqrt(n) |mean| / sqrt(v). With `pooled`, v is halfway between the contrast's own mean square and
    the mean of these over its group; flips change neither. A spread that seems small by chance then makes no verdict.
    Without `pooled`, v is the contrast's own mean square, and the adjusted p is exact whichever contrasts differ.

    A missing pair adds nothing to the sum, and n counts the pairs that are there. This is valid where a pair is not
    missing because of its outcome. All sign vectors are taken where they are at most `most`. Otherwise `most` are drawn
    (seeded), but no more than `DRAWS`, the observed one among them. Raises ValueError for other shapes, for infinite
    numbers, or for a contrast without a pair.

    >>> joint_sign_flips([[1.0, 2.0, 3.0, 2.0], [1.0, -1.0, 2.0, 1.0]], groups=["half", "half"])
    [0.125, 0.5]
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 2 or d.size == 0 or len(groups) != len(d) or most < 1:
        raise ValueError(f"a matrix (contrasts, seeds) and a group for each contrast are needed, not {d.shape}")
    if np.isinf(d).any() or np.isnan(d).all(axis=1).any():
        raise ValueError("differences are finite or missing, and each contrast has at least one")
    scaled = _scaled(d, groups, pooled)
    observed = np.abs(scaled.sum(axis=1))
    order = np.argsort(observed, kind="stable")
    rising, wanted = scaled[order], observed[order] - SLACK * d.shape[1] ** 0.5
    reached, count = np.zeros(len(d)), 0
    for sums in _signed_sums(rising[:, rising.any(axis=0)], most):
        np.abs(sums, out=sums)
        for lower, row in pairwise(sums):  # four times as fast as `np.maximum.accumulate`
            np.maximum(row, lower, out=row)
        reached += np.count_nonzero(sums >= wanted[:, None], axis=1)
        count += sums.shape[1]
    p = np.empty(len(d))
    p[order] = np.maximum.accumulate(reached[::-1])[::-1] / count
    return [float(value) for value in p]


def _scaled(d: NDArray[np.float64], groups: Sequence[Hashable], pooled: bool) -> NDArray[np.float64]:
    """Divide each contrast by sqrt(n v), so that the sum over seeds is its statistic. Missing pairs become 0."""
    pairs = np.count_nonzero(~np.isnan(d), axis=1)
    square = np.nansum(d * d, axis=1) / pairs
    v = square
    if pooled:
        numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
        of = np.array([numbers[group] for group in groups])
        v = (square + (np.bincount(of, square) / np.bincount(of))[of]) / 2
    root = np.sqrt(pairs * v)
    return np.nan_to_num(d) / np.where(root > 0, root, 1.0)[:, None]


def _signed_sums(scaled: NDArray[np.float64], most: int) -> Iterator[NDArray[np.float64]]:
    """Give the signed sums of every contrast, (contrasts, sign vectors), in parts."""
    contrasts, seeds = scaled.shape
    wanted = most if 2.0 ** max(0, seeds - 1) <= most else min(most, DRAWS)
    signs, step = _sign_vectors(seeds, wanted, max(1, DRAWN // contrasts)), max(1, BLOCK // max(1, scaled.size))
    for start in range(0, signs.shape[1], step):
        yield scaled @ signs[:, start : start + step].astype(np.float64)


@lru_cache(maxsize=1)  # families of a report mostly have the same seeds
def _sign_vectors(seeds: int, most: int, at_once: int) -> NDArray[np.int8]:
    """Give all sign vectors, (seeds, vectors), or `most` drawn ones. The first seed keeps its sign.

    at_once: how many are drawn at a time, which decides the random numbers.
    """
    free = max(0, seeds - 1)
    if 2.0**free <= most:
        numbers = np.arange(2**free, dtype=np.uint32)
        flipped = np.stack([(numbers >> bit & 1).astype(np.int8) for bit in range(free)] or [np.zeros(1, np.int8)])
    else:
        rng, starts = np.random.default_rng(0), range(0, most, at_once)
        drawn = [rng.integers(2, size=(free, min(at_once, most - start))).astype(np.int8) for start in starts]
        flipped = np.concatenate(drawn, axis=1)
        flipped[:, 0] = 0  # the observed signs
    signs = np.ones((seeds, flipped.shape[1]), np.int8)
    signs[1:] -= 2 * flipped[:free]
    return signs
