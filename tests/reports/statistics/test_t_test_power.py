from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

from prunebench.reports.statistics.permutation import sign_flip
from prunebench.reports.statistics.t_test_power import (
    fewest_seeds,
    sd_interval,
    t_test_detectable,
    t_test_power,
    t_test_seeds,
)


def noncentral_t(n: int, effect: float, alpha: float) -> float:
    """Scipy's, where its series for both tails converge."""
    c, shift = stats.t.isf(alpha / 2, n - 1), effect * n**0.5
    return float(stats.nct.sf(c, n - 1, shift) + stats.nct.cdf(-c, n - 1, shift))


def integral_over_sd(n: int, effect: float, alpha: float) -> float:
    """P(|T| > c) given the sample's sd, averaged over its chi distribution: the other way round than in the source."""
    c, shift, m = stats.t.isf(alpha / 2, n - 1), effect * n**0.5, n - 1

    def rejects(q: float) -> float:
        s = (stats.chi2.ppf(q, m) / m) ** 0.5
        return float(stats.norm.sf(c * s - shift) + stats.norm.cdf(-c * s - shift))

    edge = float(stats.chi2.cdf(m * (shift / c) ** 2, m))
    points = [0.0, edge, 1.0] if 0 < edge < 1 else [0.0, 1.0]
    return sum(integrate.quad(rejects, a, b, limit=200)[0] for a, b in pairwise(points))


# as R prints them: 33.36713 and 62.87021 (pwr.t.test), 198.1513 (power.t.test), 19.96892 (Dalgaard, Introductory
# Statistics with R, section 8.3); 15 as in G*Power
@pytest.mark.parametrize(
    ("difference", "sd", "wanted", "alpha", "n"),
    [
        (0.5, 1.0, 0.8, 0.05, 34),
        (0.5, 1.0, 0.9, 0.01, 63),
        (0.2, 1.0, 0.8, 0.05, 199),
        (10.0, 10 * 2**0.5, 0.85, 0.05, 20),
        (0.8, 1.0, 0.8, 0.05, 15),
    ],
)
def test_published_numbers_of_pairs(difference: float, sd: float, wanted: float, alpha: float, n: int) -> None:
    assert t_test_seeds(difference, sd, wanted, alpha) == n
    assert t_test_seeds(-difference / 100, sd / 100, wanted, alpha) == n  # neither the sign nor the unit matters


def test_published_power() -> None:
    # Cohen (1988), exercise 2.5, as the R package pwr prints it
    assert t_test_power(60, 0.2, 1.0, 0.1) == pytest.approx(0.4555818, abs=5e-8)


@pytest.mark.parametrize("alpha", [0.5, 0.05, 0.05 / 40])
@pytest.mark.parametrize("n", [2, 3, 5, 20, 500])
def test_power_is_that_of_the_noncentral_t(n: int, alpha: float) -> None:
    for shift in (0.0, 0.1, 1.0, 2.5):
        assert t_test_power(n, shift / n**0.5, 1.0, alpha) == pytest.approx(
            noncentral_t(n, shift / n**0.5, alpha), abs=1e-5
        )


@pytest.mark.parametrize(("n", "effect"), [(34, 2.0), (10, 8.0), (5, 8.0), (2, 50.0), (5, 0.3), (2, 8.0)])
def test_power_holds_where_scipys_noncentral_t_does_not_converge(n: int, effect: float) -> None:
    for alpha in (0.05, 0.05 / 40):
        assert t_test_power(n, effect, 1.0, alpha) == pytest.approx(integral_over_sd(n, effect, alpha), abs=1e-5)


@pytest.mark.parametrize(("n", "effect"), [(5, 1.0), (10, 0.8), (3, 2.0)])
def test_power_is_the_share_of_t_tests_that_reject(n: int, effect: float) -> None:
    samples = np.random.default_rng(n).normal(effect, 1.0, size=(5_000, n))
    share = float(np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue <= 0.05))
    assert t_test_power(n, effect, 1.0) == pytest.approx(share, abs=0.02)  # three standard errors


def test_power_without_a_difference_is_alpha_and_without_spread_one() -> None:
    assert t_test_power(5, 0.0, 1.0) == pytest.approx(0.05, abs=1e-6)
    assert t_test_power(5, 0.0, 0.0) == pytest.approx(0.05, abs=1e-6)
    assert t_test_power(2, 1e-9, 0.0) == pytest.approx(1.0)
    assert t_test_power(2, 1e300, 1e-300) == t_test_power(2, -1e200, 1.0) == pytest.approx(1.0)


@pytest.mark.parametrize(("d", "wanted", "alpha"), [(0.3, 0.8, 0.05), (1.5, 0.9, 0.05), (1.0, 0.8, 0.05 / 12)])
def test_seeds_needed_is_the_first_that_suffices(d: float, wanted: float, alpha: float) -> None:
    n = t_test_seeds(d, 1.0, wanted, alpha)
    assert n is not None
    assert integral_over_sd(n - 1, d, alpha) < wanted <= integral_over_sd(n, d, alpha)


def test_seeds_needed_at_its_ends() -> None:
    assert t_test_seeds(0.0, 1.0) is None
    assert t_test_seeds(0.0, 0.0) is None
    assert t_test_seeds(0.1, 0.0) == t_test_seeds(1e3, 1.0) == 2
    # normal approximation for many: n = ((1.959964 + 0.841621) / d)**2 + 1.959964**2 / 2
    assert t_test_seeds(0.0281, 1.0) == pytest.approx(9_942, abs=1)
    assert t_test_seeds(0.0279, 1.0) is None  # 10,085


@pytest.mark.parametrize("n", [2, 3, 5, 10, 34])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 40])
def test_detectable_has_the_power(n: int, alpha: float) -> None:
    found = t_test_detectable(n, 0.01, 0.8, alpha)
    assert found is not None
    assert integral_over_sd(n, found / 0.01, alpha) == pytest.approx(0.8, abs=1e-5)


def test_detectable_at_its_ends() -> None:
    assert t_test_detectable(1, 1.0) is t_test_detectable(0, 1.0) is None
    assert t_test_detectable(5, 0.0) == 0.0
    assert t_test_detectable(5, 1.0, 1 - 1e-5) is not None


@pytest.mark.parametrize(("alpha", "n"), [(0.05, 6), (0.01, 8), (2.0**-4, 5)])
def test_fewest_seeds_are_those_that_the_sign_flip_test_needs(alpha: float, n: int) -> None:
    assert fewest_seeds(alpha) == n  # 2**-5 = 0.031; 2**-7 = 0.0078; 2**-4
    assert sign_flip(np.arange(1.0, n + 1)).p <= alpha < sign_flip(np.arange(1.0, n)).p


def test_sd_interval_by_hand() -> None:
    # chi-square of 9 degrees at 0.975 and 0.025, as tables have it: 19.023, 2.700
    d = np.random.default_rng(0).standard_normal(10)
    found, sd = sd_interval(d), float(np.std(d, ddof=1))
    assert (found.n, found.mean) == (10, pytest.approx(sd))
    assert found.low == pytest.approx(sd * (9 / 19.023) ** 0.5, rel=1e-4)
    assert found.high == pytest.approx(sd * (9 / 2.700) ** 0.5, rel=1e-4)


def test_sd_interval_covers_the_truth() -> None:
    found = [sd_interval(d) for d in np.random.default_rng(1).normal(3.0, 2.0, size=(2_000, 5))]
    low, high = (np.array([getattr(one, end) for one in found]) for end in ("low", "high"))
    assert np.mean(low > 2) == pytest.approx(0.025, abs=0.011)
    assert np.mean(high < 2) == pytest.approx(0.025, abs=0.011)


def test_sd_interval_of_constant_and_of_too_few_differences() -> None:
    for equal in ([0.3] * 4, [0.1 - 0.105, 0.7 - 0.705]):
        found = sd_interval(equal)
        assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="at least 2 differences, not 1"):
        sd_interval([1.0])


def test_bad_input_is_named() -> None:
    nan = float("nan")
    with pytest.raises(ValueError, match="at least 2 seeds, not 1"):
        t_test_power(1, 0.5, 1.0)
    for alpha in (0.0, 1.0, nan):
        with pytest.raises(ValueError, match="alpha"):
            t_test_power(5, 0.5, 1.0, alpha)
        with pytest.raises(ValueError, match="alpha lies between"):
            fewest_seeds(alpha)
    for difference, sd in ((nan, 1.0), (0.5, -1.0), (0.5, nan), (float("inf"), 1.0)):
        with pytest.raises(ValueError, match="finite difference"):
            t_test_seeds(difference, sd)
    for wanted in (0.0, 0.05, 1.0, nan):
        with pytest.raises(ValueError, match="between alpha and 1"):
            t_test_seeds(0.5, 1.0, wanted)
        with pytest.raises(ValueError, match="between alpha and 1"):
            t_test_detectable(5, 1.0, wanted)
    with pytest.raises(ValueError, match="finite sd"):
        t_test_detectable(1, -1.0)
