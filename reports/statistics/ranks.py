"""Comparisons of several methods over several tasks by their ranks (Demsar, JMLR 7, 2006)."""

from dataclasses import dataclass

import numpy as np
import scipy  # imports scipy.optimize at its first use
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame, Series
from scipy import special

from prunebench.reports.statistics.permutation import sign_flip
from prunebench.reports.statistics.t_test_power import DENSITY, Z
from prunebench.reports.statistics.vectors import finite_vector, rounded

MIN_TASKS = 6  # with fewer no signed-rank test reaches p = 0.05: 2**(1 - 5) = 0.0625
EXACT_UP_TO = 25  # tasks: beyond, the signed-rank test uses its normal approximation


@dataclass(frozen=True)
class Friedman:
    """Friedman's test of 'all methods rank alike': mean ranks in the order of the methods, chi-square, F and its p."""

    ranks: tuple[float, ...]
    chi_square: float
    f: float
    p_f: float


def mean_ranks(scores: ArrayLike) -> NDArray[np.float64]:
    """Mean rank of each method over tasks, (methods,); 1 is best. Tied scores share the mean of their ranks.

    scores: (tasks, methods), any unit, high = better. Within a task, scores tie that agree to 1e-12 of the largest.
    Raises ValueError for another shape, for no scores, or for scores that are not finite.

    >>> mean_ranks([[0.9, 0.8, 0.7], [0.5, 0.6, 0.5]])
    array([1.75, 1.5 , 2.75])
    """
    ranks: NDArray[np.float64] = _ranks(scores).mean(axis=0)
    return ranks


def friedman_test(scores: ArrayLike) -> Friedman:
    """Friedman's chi-square, corrected for ties, and Iman and Davenport's F (1980).

    scores: (tasks, methods), high = better, with N >= MIN_TASKS tasks and k >= 3 methods; else ValueError.
    f = (N - 1) chi_square / (N (k - 1) - chi_square) has k - 1 and (k - 1)(N - 1) degrees of freedom. F is less
    conservative than chi-square. Where all tasks agree, f is infinite and p_f is 0: read 'too small to compute'.
    Where all scores tie, p_f is 1.

    >>> test = friedman_test([[0.9, 0.8, 0.7]] * 6)
    >>> test.ranks, test.chi_square, test.f, test.p_f
    ((1.0, 2.0, 3.0), 12.0, inf, 0.0)
    """
    ranks = _ranks(scores)
    n, k = ranks.shape
    if k < 3:
        raise ValueError(f"Friedman's test needs at least 3 methods, not {k}; for 2 use the Wilcoxon test")
    if n < MIN_TASKS:
        raise ValueError(f"Friedman's test needs at least {MIN_TASKS} tasks, there are {n}")
    deviations = ranks - (k + 1) / 2
    between, total = float((deviations.sum(axis=0) ** 2).sum()), n * float((deviations**2).sum())  # halves: exact
    mean = tuple(float(rank) for rank in ranks.mean(axis=0))
    if total == 0:
        return Friedman(mean, 0.0, 0.0, 1.0)
    chi_square = n * (k - 1) * between / total
    f = (n - 1) * between / (total - between) if total > between else float("inf")
    return Friedman(mean, chi_square, f, float(special.fdtrc(k - 1, (k - 1) * (n - 1), f)))


def wilcoxon_p(ours: ArrayLike, reference: ArrayLike) -> float:
    """Two-sided p of Wilcoxon's signed-rank test (1945); zeros are ranked, then left out (Pratt 1959).

    ours, reference: (tasks,), the i-th of both from the same task. Up to EXACT_UP_TO tasks p is exact, given the ties
    and zeros. Beyond, p is the normal approximation without continuity correction. Differences tie that agree to
    1e-12 of the largest score. No difference at all gives 1. Raises ValueError where the lengths differ.

    >>> wilcoxon_p([0.9, 0.8, 0.7, 0.9, 0.6, 0.8], [0.8, 0.6, 0.4, 0.5, 0.1, 0.2])
    0.03125
    """
    a, b = finite_vector(ours), finite_vector(reference)
    if len(a) != len(b):
        raise ValueError(f"{len(a)} values cannot be paired with {len(b)}")
    d = rounded(a - b, np.concatenate([a, b]))
    if not d.any():
        return 1.0
    signed_ranks = np.sign(d) * Series(np.abs(d)).rank().to_numpy()
    if len(d) <= EXACT_UP_TO:
        return sign_flip(signed_ranks).p
    return float(2 * special.ndtr(-abs(signed_ranks.sum()) / np.sqrt((signed_ranks**2).sum())))


def critical_difference(methods: int, tasks: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks (1963): q_alpha sqrt(k (k + 1) / 6 N), Demsar's section 3.2.2.

    Raises ValueError for fewer than 2 methods or 1 task, or for alpha outside (0, 1).

    >>> round(critical_difference(methods=4, tasks=14), 2)
    1.25
    """
    if methods < 2 or tasks < 1 or not 0 < alpha < 1:
        raise ValueError(
            f"at least 2 methods, 1 task and 0 < alpha < 1 are needed, not {methods}, {tasks} and {alpha:g}"
        )
    return _studentized_range(methods, alpha) / 2**0.5 * float(np.sqrt(methods * (methods + 1) / (6 * tasks)))


def cliques(ranks: ArrayLike, cd: float) -> list[tuple[int, ...]]:
    """Maximal groups of two or more methods whose mean ranks differ by less than cd: the bars of a CD diagram.

    ranks: (methods,), 1 is best. Gives indices into ranks. Each group begins with its best method, and the list with
    the best group.

    >>> cliques([3.143, 2.000, 2.893, 1.964], cd=1.12)
    [(3, 1, 2), (2, 0)]
    """
    values = finite_vector(ranks)
    order = np.argsort(values, kind="stable")
    ends = np.searchsorted(values[order], values[order] + cd, side="left")  # past the last that is near enough
    groups, reached = [], 0
    for start, end in enumerate(ends.tolist()):
        if end > reached and end - start >= 2:
            groups.append(tuple(order[start:end].tolist()))
            reached = end
    return groups


def _studentized_range(methods: int, alpha: float) -> float:
    """Give the quantile 1 - alpha of the range of `methods` standard normal values (Tukey)."""

    def excess(q: float) -> float:
        inside = special.ndtr(Z) - special.ndtr(Z - q)  # the others, where the largest value is Z
        return float(methods * DENSITY @ inside ** (methods - 1)) - (1 - alpha)

    return float(scipy.optimize.brentq(excess, 0.0, 100.0))


def _ranks(scores: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(scores, dtype=np.float64)
    if x.ndim != 2 or x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"finite scores of shape (tasks, methods) are needed; the shape is {x.shape}")
    ranks: NDArray[np.float64] = DataFrame([-rounded(task, task) for task in x]).rank(axis=1).to_numpy()
    return ranks
