"""Agreement of two orders of the same units: the true changes of the loss, and a criterion's scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from prunebench.reports.statistics.vectors import finite_vector

SHARE = 0.25  # of the units, the lowest: those that would be removed first


@dataclass(frozen=True)
class Agreement:
    """How far scores order units as the truth does; 1 the same order, 0 none, -1 reversed.

    spearman, kendall: rho and tau-b (ties have the mean of their ranks). weighted: Kendall's tau with weights that fall
    with the true and the given rank from the lowest on (Vigna 2015): mistakes among those removed first count most.
    lowest: share of the truly lowest quarter that is among the scores' lowest quarter; by chance a quarter.
    """

    spearman: float
    kendall: float
    weighted: float
    lowest: float


def rank_agreement(truth: ArrayLike, scores: ArrayLike) -> Agreement | None:
    """Compare scores with the truth; None where either is the same for all units, for then it orders nothing.

    truth, scores: (n,), n >= 2, finite. Raises ValueError for anything else.

    >>> rank_agreement([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0])
    Agreement(spearman=1.0, kendall=1.0, weighted=1.0, lowest=1.0)
    >>> rank_agreement([1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 5.0, 5.0]) is None
    True
    """
    x, y = finite_vector(truth), finite_vector(scores)
    if len(x) != len(y) or len(x) < 2:
        raise ValueError(f"{len(x)} true changes and {len(y)} scores: the same number is needed, two at least")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return Agreement(
        spearman=_exact(float(stats.spearmanr(x, y).statistic)),
        kendall=_exact(stats.kendalltau(x, y).statistic),
        weighted=_exact(stats.weightedtau(-x, -y).statistic),
        lowest=lowest_overlap(x, y),
    )


def lowest_overlap(truth: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Share of the truly lowest quarter that is among the scores' lowest; of equals on the border each counts in part.

    That is what is expected where equals are drawn at random.

    >>> lowest_overlap(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), np.array([1.0, 1.0, 1.0, 1.0, 5.0, 5.0, 5.0, 5.0]))
    0.5
    """
    count = lowest_count(len(truth))
    return float((_share(truth, count) * _share(scores, count)).sum() / count)


def lowest_count(units: int) -> int:
    """Say how many units are the lowest quarter, at least one.

    >>> lowest_count(64), lowest_count(2)
    (16, 1)
    """
    return max(1, round(SHARE * units))


def reachable_correlation(halves: float) -> float:
    """Say how far an exact score can agree with a noisy truth, from the agreement of the truth's two halves.

    Spearman (1910) and Brown: the reliability of the whole is 2 r / (1 + r); Spearman (1904): correlation with what is
    measured without error is its root. Made for linear correlation; a good guide for rank correlation.

    >>> reachable_correlation(1.0), round(reachable_correlation(0.5), 3), reachable_correlation(-0.1)
    (1.0, 0.816, 0.0)
    """
    return float((2 * halves / (1 + halves)) ** 0.5) if halves > 0 else 0.0


def _share(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Give the probability of each value to be among the `count` lowest, with equals drawn at random: (n,)."""
    border = np.partition(values, count - 1)[count - 1]
    below, level = values < border, values == border
    share: NDArray[np.float64] = below + level * ((count - below.sum()) / level.sum())
    return share


def _exact(value: float) -> float:
    """Take off the rounding that makes a perfect agreement 0.9999999999999999."""
    return float(np.clip(round(value, 12), -1, 1))
