"""Effect sizes of paired differences."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from prunebench.reports.statistics.intervals import LEVEL, Interval
from prunebench.reports.statistics.vectors import finite_vector, is_constant


def hedges_g(differences: ArrayLike) -> float | None:
    """Hedges' g of paired differences (g_z): mean / standard deviation, corrected for small samples (Hedges 1981).

    differences: (n,), any unit, finite. The correction is exact, with m = n - 1 degrees of freedom:
    J = gamma(m / 2) / (sqrt(m / 2) gamma((m - 1) / 2)). None for constant differences (up to rounding) and for n < 3:
    at n = 2 the uncorrected value has no expectation, and J is 0. Raises ValueError for no difference, or for
    differences that are not finite.

    >>> round(hedges_g([1.0, 2.0, 3.0]), 4)  # 2 / 1, times J = 1 / sqrt(pi)
    1.1284
    """
    d = finite_vector(differences)
    if len(d) < 3 or is_constant(d):
        return None
    m = len(d) - 1
    correction = np.exp(special.gammaln(m / 2) - special.gammaln((m - 1) / 2)) / (m / 2) ** 0.5
    return float(correction * d.mean() / d.std(ddof=1))


def probability_of_superiority(differences: ArrayLike) -> Interval:
    """Probability that A is better than B in another block: the share of positive differences A - B.

    differences: (n,), any unit, n >= 1, finite. A tie counts half. The interval is that of Clopper and Pearson (1934)
    at LEVEL. The interval is exact for whole counts of wins; half wins go through the same beta quantiles. A single
    difference has a wide interval. Raises ValueError for no difference, or for differences that are not finite.

    >>> probability_of_superiority([0.1, 0.2, 0.0, -0.1]).mean
    0.625
    >>> round(probability_of_superiority([0.1]).low, 4)
    0.025
    """
    d = finite_vector(differences)
    n, wins = len(d), float(np.count_nonzero(d > 0) + np.count_nonzero(d == 0) / 2)
    tail = (1 - LEVEL) / 2
    low = float(special.betaincinv(wins, n - wins + 1, tail)) if wins > 0 else 0.0
    high = float(special.betainccinv(wins + 1, n - wins, tail)) if wins < n else 1.0
    return Interval(n, wins / n, low, high)
