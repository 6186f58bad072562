"""Agreement of two orders of the same units: by the true change of the loss, and by a criterion's scores."""

from dataclasses import dataclass

import numpy as np
import scipy  # imports scipy.stats, which takes a second, at its first use
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.vectors import finite_vector

SHARE = 0.25  # of the units, the lowest: they would be removed first


@dataclass(frozen=True)
class Agreement:
    """Agreement of scores with the truth: 1 is the same order, 0 none, -1 the reverse order.

    spearman, kendall: rho and tau-b; ties share the mean of their ranks.
    weighted: Kendall's tau in which low ranks, true or given, count more (Vigna 2015).
    lowest: share of the truly lowest quarter that is among the scores' lowest quarter; 0.25 by chance.
    """

    spearman: float
    kendall: float
    weighted: float
    lowest: float


def rank_agreement(truth: ArrayLike, scores: ArrayLike) -> Agreement | None:
    """Compare scores with the truth. None where either is constant: a constant orders nothing.

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
        spearman=_rounded(float(scipy.stats.spearmanr(x, y).statistic)),
        kendall=_rounded(scipy.stats.kendalltau(x, y).statistic),
        weighted=_rounded(scipy.stats.weightedtau(-x, -y).statistic),
        lowest=lowest_overlap(x, y),
    )


def lowest_overlap(truth: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Share of the truly lowest quarter that is among the scores' lowest quarter.

    Equal values at the border of the quarter count in part: the share is the expectation of random draws among them.

    >>> lowest_overlap(np.arange(8.0), np.array([1.0, 1.0, 1.0, 1.0, 5.0, 5.0, 5.0, 5.0]))
    0.5
    """
    count = lowest_count(len(truth))
    return float((_probability_lowest(truth, count) * _probability_lowest(scores, count)).sum() / count)


def lowest_count(units: int) -> int:
    """Give how many units are the lowest quarter, at least one.

    >>> lowest_count(64), lowest_count(2)
    (16, 1)
    """
    return max(1, round(SHARE * units))


def reachable_correlation(halves: float) -> float:
    """Give the correlation that an exact score can reach with a noisy truth.

    halves: correlation r of the truth's two halves. The whole truth has the reliability 2 r / (1 + r) (Spearman and
    Brown 1910). An exact score correlates with the truth by the root of this reliability (Spearman 1904). Both formulas
    hold for linear correlation; for rank correlation they are a good guide.

    >>> reachable_correlation(1.0), round(reachable_correlation(0.5), 3), reachable_correlation(-0.1)
    (1.0, 0.816, 0.0)
    """
    return float((2 * halves / (1 + halves)) ** 0.5) if halves > 0 else 0.0


def _probability_lowest(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Give each value's probability to be among the `count` lowest, (n,); equal values are drawn at random."""
    border = np.partition(values, count - 1)[count - 1]
    below, level = values < border, values == border
    probability: NDArray[np.float64] = below + level * ((count - below.sum()) / level.sum())
    return probability


def _rounded(value: float) -> float:
    """Round to 12 decimals: a perfect agreement is 1, not 0.9999999999999999."""
    return float(np.clip(round(value, 12), -1, 1))
