"""Power of the exact sign-flip test, and the seeds that it needs.

With few seeds the sign-flip test has less power than the t test.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prunebench.reports.statistics.t_test_power import (
    MOST_SEEDS,
    check_power,
    fewest_seeds_to_reject,
    standardised_difference,
    t_test_detectable,
    t_test_power,
    t_test_seeds,
)

DRAWS = 4_000  # samples: a power of 0.8 has a standard error of 0.006
ALIKE = 32  # of the 2**(n - 1) pairs of opposite assignments: where as many reject, the t test's power is used


def sign_flip_power(n: int, difference: float, sd: float, alpha: float = 0.05) -> float:
    """Probability that the two-sided sign-flip test of n normal differences finds a true difference.

    difference, sd: as in `t_test_power`. With few seeds p has few values, and the test rejects at the largest that is
    at most alpha. Then the power is simulated (seeded, standard error below 0.01). With more seeds the power is that of
    the t test. Raises ValueError as `t_test_power`.

    >>> sign_flip_power(5, 3.0, 1.0), round(sign_flip_power(6, 1.5, 1.0), 1)  # six of one sign: 0.9332**6 = 0.66
    (0.0, 0.7)
    """
    of_t_test = t_test_power(n, difference, sd, alpha)
    count = _rejecting_assignments(n, alpha)
    if count >= ALIKE:
        return of_t_test
    if count == 0:
        return 0.0
    effect, thresholds = standardised_difference(difference, sd), _thresholds(n, count)
    below = np.searchsorted(thresholds, effect) + np.searchsorted(thresholds, -effect)  # both tails
    return float(min(1.0, below / DRAWS))


def seeds_to_decide(difference: float, sd: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Smallest n with which the two-sided sign-flip test finds a true difference with that power.

    difference, sd, power: as in `t_test_seeds`, whose n is never larger. None for more than 10,000 seeds.

    >>> t_test_seeds(1.5, 1.0), seeds_to_decide(1.5, 1.0), seeds_to_decide(0.5, 1.0)
    (6, 7, 34)
    """
    wanted = t_test_seeds(difference, sd, power, alpha)
    if wanted is None:
        return None
    counts = range(max(wanted, fewest_seeds_to_reject(1, alpha)), MOST_SEEDS + 1)
    return next((n for n in counts if sign_flip_power(n, difference, sd, alpha) >= power), None)


def detectable_difference(n: int, sd: float, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """Smallest true difference that the sign-flip test of n seeds finds with that power, in the unit of sd.

    None where n seeds are too few to reject at all. Raises ValueError as `t_test_detectable`.

    >>> detectable_difference(5, 1.0), round(detectable_difference(34, 1.0), 3)
    (None, 0.495)
    """
    check_power(power, alpha)
    count = _rejecting_assignments(n, alpha)
    if count == 0:
        standardised_difference(0.0, sd)
        return None
    of_t_test = t_test_detectable(n, sd, power, alpha)
    return of_t_test if count >= ALIKE else sd * float(np.quantile(_thresholds(n, count), power, method="higher"))


def _rejecting_assignments(n: int, alpha: float) -> int:
    """Count the pairs of opposite assignments, of 2**(n - 1), that may reach the observed sum; at most ALIKE."""
    return int(min(alpha * 2.0 ** (min(n, 64) - 1) * (1 + 1e-9), ALIKE))


@lru_cache(maxsize=256)
def _thresholds(n: int, count: int) -> NDArray[np.float64]:
    """Give, ascending, the effect above which each of DRAWS samples is rejected in its direction.

    An assignment turns the signs of a subset. The assignment reaches the observed sum where the subset's differences
    add up to 0 or less. Moving all differences up by e moves a subset's mean by e. So fewer than `count` non-empty
    subsets are left from the `count`-th largest of their negative means on.
    """
    z = np.random.default_rng(0).standard_normal((n, DRAWS)).T  # the same samples, longer
    found = [_kth_largest(part, count) for part in np.array_split(z, max(1, DRAWS * 2**n // 2**22))]
    return np.sort(np.concatenate(found))


def _kth_largest(z: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    sums, sizes = np.zeros((len(z), 1)), np.zeros(1)
    for column in z.T:
        sums, sizes = np.concatenate([sums, sums + column[:, None]], axis=1), np.concatenate([sizes, sizes + 1])
    means = -sums[:, 1:] / sizes[1:]
    kth: NDArray[np.float64] = np.partition(means, -count, axis=1)[:, -count]
    return kth
