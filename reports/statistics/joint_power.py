"""Power of the joint sign-flip test for a difference declared beforehand, and the seeds that the test needs."""

from bisect import bisect_left
from functools import lru_cache

import numpy as np
import scipy  # imports scipy.optimize at its first use
from numpy.typing import NDArray
from scipy import special

from prunebench.reports.statistics.t_test_power import (
    DENSITY,
    MOST_SEEDS,
    Z,
    check_power,
    fewest_seeds,
    standardised_difference,
    t_test_detectable,
    t_test_power,
    t_test_seeds,
)

ALPHA = 0.05
SIMULATED = 24  # seeds: with more, the t test's power at the level of the largest of as many statistics is as good
DRAWS, SIGNS, CONTRASTS = 400, 256, 60  # samples, sign vectors of each, and contrasts at most
PART = 2**22  # statistics in memory
MOST_EFFECT = 10.0  # standard deviations of the differences: found in any sample


def joint_power(n: int, difference: float, sd: float, family: int = 1) -> float:
    """Probability that the joint test of `family` contrasts finds one true difference, at level 0.05.

    difference, sd: of the paired differences, in one unit. The other contrasts have no difference; all are normal, have
    one baseline and one spread. Up to 24 seeds the power is simulated (seeded, standard error 0.02). Beyond, it is that
    of the t test at the level of Dunnett (1955): for large families up to a tenth too low. Raises ValueError for n < 1,
    for a family below 1, or as `t_test_power`.

    >>> joint_power(5, 3.0, 1.0), joint_power(6, 3.0, 0.1, family=7)
    (0.0, 1.0)
    """
    if n < 1 or family < 1:
        raise ValueError(f"at least 1 seed and 1 contrast are needed, not {n} and {family}")
    effect = standardised_difference(difference, sd)
    if n < fewest_seeds(ALPHA):
        return 0.0
    if n > SIMULATED:
        return t_test_power(n, difference, sd, level_of_one(family))
    return float(np.searchsorted(_thresholds(n, min(family, CONTRASTS)), effect, side="right") / DRAWS)


def seeds_to_decide(difference: float, sd: float, family: int = 1, power: float = 0.8) -> int | None:
    """Smallest n with which the joint test finds a true difference with that power; None for more than 10,000.

    difference, sd, family: as in `joint_power`. Raises ValueError as there, and unless 0.05 < power < 1.

    >>> seeds_to_decide(0.0, 1.0), seeds_to_decide(9.0, 1.0)
    (None, 6)
    """
    check_power(power, ALPHA)
    counts = range(fewest_seeds(ALPHA), SIMULATED + 1)
    at = bisect_left(counts, power, key=lambda n: joint_power(n, difference, sd, family))
    if at < len(counts):
        return counts[at]
    beyond = t_test_seeds(difference, sd, power, level_of_one(family))
    return None if beyond is None or beyond > MOST_SEEDS else max(beyond, SIMULATED + 1)


def detectable_difference(n: int, sd: float, family: int = 1, power: float = 0.8) -> float | None:
    """Smallest true difference that the joint test of n seeds finds with that power, in the unit of sd.

    None where n seeds are too few to reject at all. Raises ValueError as `joint_power`, and unless 0.05 < power < 1.

    >>> detectable_difference(5, 1.0), detectable_difference(6, 0.0)
    (None, 0.0)
    """
    check_power(power, ALPHA)
    standardised_difference(0.0, sd)
    if n < fewest_seeds(ALPHA):
        return None
    if n > SIMULATED:
        return t_test_detectable(n, sd, power, level_of_one(family))
    return sd * float(np.quantile(_thresholds(n, min(family, CONTRASTS)), power, method="higher"))


@lru_cache(maxsize=256)
def level_of_one(family: int) -> float:
    """Level of one contrast at which the largest of `family` normal statistics with one baseline has level 0.05.

    Dunnett (1955), two-sided, many degrees of freedom: correlations of one half.

    >>> level_of_one(1), round(level_of_one(7), 4)
    (0.05, 0.009)
    """

    def excess(critical: float) -> float:
        inside = special.ndtr(2**0.5 * critical + Z) - special.ndtr(-(2**0.5) * critical + Z)
        return float(DENSITY @ inside**family) - (1 - ALPHA)

    return round(2 * float(special.ndtr(-scipy.optimize.brentq(excess, 1.0, 10.0))), 12)


@lru_cache(maxsize=1024)
def _thresholds(n: int, family: int) -> NDArray[np.float64]:
    """Give, rising, the effect from which on each of DRAWS samples is rejected; halved down to 0.02."""
    signs = 1.0 - 2.0 * ((np.arange(2 ** (n - 1)) >> np.arange(n)[:, None]) & 1)
    if signs.shape[1] > SIGNS:
        signs = np.random.default_rng(n).choice((-1.0, 1.0), size=(n, SIGNS))
        signs[:, 0] = 1.0
    noise = np.random.default_rng([n, family]).standard_normal((DRAWS, family + 1, n))
    d, signs = ((noise[:, 1:] - noise[:, :1]) / 2**0.5).astype(np.float32), signs.astype(np.float32)
    size = max(1, PART // (family * signs.shape[1]))
    others = np.concatenate([_largest_of_others(d[at : at + size], signs) for at in range(0, DRAWS, size)])
    low, high = np.zeros(DRAWS), np.full(DRAWS, MOST_EFFECT)
    for _ in range(9):
        middle = (low + high) / 2
        rejected = _rejected(d, signs, others, middle)
        low, high = np.where(rejected, low, middle), np.where(rejected, middle, high)
    return np.sort(high)


def _largest_of_others(d: NDArray[np.float32], signs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the largest statistic of all contrasts but the first, (samples, sign vectors), where none differs."""
    if d.shape[1] == 1:
        return np.zeros((len(d), signs.shape[1]), np.float32)
    square = (d * d).mean(axis=2)
    root = np.sqrt(d.shape[2] * (square[:, 1:] + square.mean(axis=1, keepdims=True)) / 2)
    largest: NDArray[np.float32] = np.abs(d[:, 1:] / root[..., None] @ signs).max(axis=1)
    return largest


def _rejected(
    d: NDArray[np.float32], signs: NDArray[np.float32], others: NDArray[np.float32], effect: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell for each sample whether its first contrast, moved up by the effect, is rejected, (samples,).

    An effect raises the mean square of the budget; the others' statistics fall as that of an average contrast does.
    """
    count = int(ALPHA * signs.shape[1] * (1 + 1e-9))
    square, own = (d * d).mean(axis=2), d[:, 0] + effect[:, None].astype(np.float32)
    moved, mean = (own * own).mean(axis=1), square.mean(axis=1)
    raised = mean + (moved - square[:, 0]) / d.shape[1]
    statistics = np.abs(own @ signs) / np.sqrt(d.shape[2] * (moved + raised) / 2)[:, None]
    highest = np.maximum(statistics, others * np.sqrt((1 + mean) / (1 + raised))[:, None])
    reached: NDArray[np.int64] = np.count_nonzero(highest >= statistics[:, :1] * (1 - 1e-5), axis=1)
    return reached <= count
