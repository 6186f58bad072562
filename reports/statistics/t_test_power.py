"""Power of the paired t test, and the seeds that the test needs; see also `joint_power`."""

from bisect import bisect_left

import numpy as np
import scipy  # imports scipy.optimize at its first use
from numpy.typing import ArrayLike
from scipy import special

from prunebench.reports.statistics.intervals import LEVEL, Interval
from prunebench.reports.statistics.vectors import finite_vector, is_constant

MOST_SEEDS = 10_000
Z = np.linspace(-9.0, 9.0, 2001)  # where the normal density is not negligible
DENSITY = np.exp(-(Z**2) / 2) / (2 * np.pi) ** 0.5 * (Z[1] - Z[0])
SLACK = 1e-5  # of a probability: the error of the sum over Z for n = 2; above, the error is 1e-9


def t_test_power(n: int, difference: float, sd: float, alpha: float = 0.05) -> float:
    """Probability that the two-sided paired t test of n seeds finds a true difference (noncentral t, both tails).

    difference, sd: of the paired differences, in one unit; sd = 0 finds any difference. Raises ValueError for n < 2,
    for numbers that are not finite, for sd < 0, or for alpha outside (0, 1).

    >>> round(t_test_power(34, 0.5, 1.0), 3)
    0.808
    """
    if n < 2:
        raise ValueError(f"a paired t test needs at least 2 seeds, not {n}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1, not {alpha}")
    return _power(n, standardised_difference(difference, sd), alpha)


def t_test_seeds(difference: float, sd: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Smallest n >= 2 with which the two-sided paired t test finds a true difference with that power.

    difference, sd: as in `t_test_power`. None for more than 10,000 seeds, as for a difference of 0; 2 for sd = 0.
    Raises ValueError as `t_test_power`, and unless 0 < alpha < power < 1 (by 1e-5).

    >>> t_test_seeds(0.5, 1.0)
    34
    """
    check_power(power, alpha)
    effect = standardised_difference(difference, sd)
    most = 4
    while _power(most, effect, alpha) < power and most < MOST_SEEDS:
        most = min(2 * most, MOST_SEEDS)
    counts = range(max(2, most // 2), most + 1)
    at = bisect_left(counts, power, key=lambda n: _power(n, effect, alpha))
    return counts[at] if at < len(counts) else None


def t_test_detectable(n: int, sd: float, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """Smallest true difference that n seeds find with that power, in the unit of sd; None for n < 2.

    Raises ValueError for an sd that is negative or not finite, and unless 0 < alpha < power < 1 (by 1e-5).

    >>> round(t_test_detectable(34, 1.0), 3)
    0.495
    """
    check_power(power, alpha)
    standardised_difference(0.0, sd)
    if n < 2:
        return None
    most = 1.0
    while _power(n, most, alpha) < power:
        most *= 2
    return sd * float(scipy.optimize.brentq(lambda effect: _power(n, effect, alpha) - power, 0.0, most))


def fewest_seeds(alpha: float = 0.05) -> int:
    """Smallest n with 2**(1 - n) <= alpha: no sign-flip test of fewer differences can reject, joint or alone.

    Raises ValueError for alpha outside (0, 1).

    >>> fewest_seeds(), fewest_seeds(0.01)
    (6, 8)
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1, not {alpha}")
    n = 1
    while 2.0 ** (1 - n) > alpha:
        n += 1
    return n


def sd_interval(differences: ArrayLike) -> Interval:
    """Give the standard deviation, in the field `mean`, with its chi-square interval.

    differences: (n,), n >= 2, any unit, finite, taken as normal. The interval depends on normality at every n, other
    than the t interval. Constant differences (up to rounding) give zeros. Raises ValueError for fewer differences, or
    as `finite_vector`.

    >>> spread = sd_interval([1.0, 2.0, 3.0])
    >>> spread.mean, round(spread.low, 3), round(spread.high, 3)
    (1.0, 0.521, 6.285)
    """
    d = finite_vector(differences)
    n = len(d)
    if n < 2:
        raise ValueError(f"a standard deviation needs at least 2 differences, not {n}")
    sd = 0.0 if is_constant(d) else float(d.std(ddof=1))
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = (sd * ((n - 1) / float(special.chdtri(n - 1, tail))) ** 0.5 for tail in tails)
    return Interval(n, sd, low, high)


def standardised_difference(difference: float, sd: float) -> float:
    """Give the absolute difference in units of sd; infinite for sd = 0. Raises ValueError as `t_test_power`."""
    if not (np.isfinite(difference) and np.isfinite(sd) and sd >= 0):
        raise ValueError(f"a finite difference and a finite sd >= 0 are needed, not {difference} and {sd}")
    if difference == 0:
        return 0.0
    return abs(difference) / sd if sd else float("inf")


def check_power(power: float, alpha: float) -> None:
    """Raise ValueError unless 0 < alpha < power < 1 (by 1e-5)."""
    if not (alpha > 0 and alpha + SLACK <= power <= 1 - SLACK):
        raise ValueError(f"alpha > 0 and a power between alpha and 1 are needed, not {alpha} and {power}")


def _power(n: int, effect: float, alpha: float) -> float:
    """Average, over the normal deviate z of the mean, how often the sample's sd is small enough to reject.

    This is the noncentral t, squared: |t| > c where chi-square < (n - 1) (z + effect sqrt(n))**2 / c**2. scipy's `nct`
    gives NaN in the far tail of many effects that occur here.
    """
    critical = -float(special.stdtrit(n - 1, alpha / 2))
    shift = min(effect * n**0.5, 1e100)  # its square must be finite
    return min(1.0, float(DENSITY @ special.chdtr(n - 1, (n - 1) * ((Z + shift) / critical) ** 2)))
