from math import comb, pi

import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.effect_size import hedges_g, probability_of_superiority


def test_standardised_by_hand() -> None:
    # mean 2.5, variance 5 / 3; J(3) = gamma(1.5) / (sqrt(1.5) gamma(1)) = sqrt(pi) / (2 sqrt(1.5)) = 0.723601
    assert hedges_g([1.0, 2.0, 3.0, 4.0]) == pytest.approx(0.723601 * 2.5 / (5 / 3) ** 0.5, abs=1e-6)
    assert hedges_g([-1.0, -2.0, -3.0]) == pytest.approx(-2 / pi**0.5)


# the gamma functions by hand: gamma(1) = gamma(2) = 1, gamma(3) = 2, gamma(1/2) = sqrt(pi), gamma(x + 1) = x gamma(x)
@pytest.mark.parametrize(
    ("m", "j"),
    [
        (2, 1 / pi**0.5),
        (3, (pi / 6) ** 0.5),
        (4, (2 / pi) ** 0.5),
        (5, 3 / 4 * (pi / 2.5) ** 0.5),
        (6, 8 / (3 * (3 * pi) ** 0.5)),
    ],
)
def test_correction_is_hedges(m: int, j: float) -> None:
    d = np.random.default_rng(m).standard_normal(m + 1) + 1
    assert hedges_g(d) == pytest.approx(j * d.mean() / d.std(ddof=1))


def test_many_differences_need_no_correction_and_do_not_overflow() -> None:
    d = np.random.default_rng(0).standard_normal(2_000) + 1
    assert hedges_g(d) == pytest.approx(d.mean() / d.std(ddof=1) * (1 - 3 / (4 * 1_999 - 1)), rel=1e-6)


def test_it_is_unbiased() -> None:
    samples = np.random.default_rng(1).normal(0.8, 1.0, size=(5_000, 6))
    found = [hedges_g(d) for d in samples]
    assert np.mean([value for value in found if value is not None]) == pytest.approx(0.8, abs=0.03)


def test_too_few_or_constant_differences_have_no_effect_size() -> None:
    assert hedges_g([1.0]) is None
    assert hedges_g([1.0, 2.0]) is None
    assert hedges_g([0.0] * 4) is hedges_g([0.3] * 4) is None
    assert hedges_g([0.1 - 0.105, 0.7 - 0.705, 0.9 - 0.905]) is None  # equal but for rounding


@pytest.mark.parametrize("n", [1, 2, 5, 6, 20])
def test_superiority_is_scipys_exact_interval(n: int) -> None:
    for wins in range(n + 1):
        expected = stats.binomtest(wins, n).proportion_ci(0.95, method="exact")
        found = probability_of_superiority([0.01] * wins + [-0.02] * (n - wins))
        assert (found.n, found.mean) == (n, wins / n)
        assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_ties_count_half() -> None:
    assert probability_of_superiority([1.0, 0.0, 0.0, -1.0]) == probability_of_superiority([1.0, 1.0, -1.0, -1.0])
    found = probability_of_superiority([1.0, 0.0, -1.0])
    assert (found.n, found.mean) == (3, 0.5)
    assert found.low is not None
    # binomial tail sums, written with beta functions, hold for 1.5 wins of 3 too: each end leaves 2.5 % beyond it
    assert stats.beta.cdf(found.low, 1.5, 2.5) == pytest.approx(0.025)
    assert found.high == pytest.approx(1 - found.low)


def test_one_difference_has_a_wide_interval() -> None:
    # 0.975 = 1 - 0.025: one win of one happens with a probability of 2.5 % where that is the chance of it
    for value, mean, low, high in ((1.0, 1.0, 0.025, 1.0), (-1.0, 0.0, 0.0, 0.975)):
        found = probability_of_superiority([value])
        assert (found.n, found.mean) == (1, mean)
        assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    tie = probability_of_superiority([0.0])
    assert tie.mean == 0.5
    assert tie.half == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("n", [1, 3, 6, 10])
def test_it_covers_the_truth_with_ties_as_well(n: int) -> None:
    grid = np.linspace(0, 1, 41)
    better, tied = (axis.ravel() for axis in np.meshgrid(grid, grid))
    better, tied = better[better + tied <= 1 + 1e-9], tied[better + tied <= 1 + 1e-9]
    worse, truth = np.clip(1 - better - tied, 0, 1), better + tied / 2
    covered = np.zeros_like(truth)
    for wins in range(n + 1):
        for ties in range(n + 1 - wins):
            found = probability_of_superiority([1.0] * wins + [0.0] * ties + [-1.0] * (n - wins - ties))
            assert found.low is not None
            assert found.high is not None
            ways = comb(n, wins) * comb(n - wins, ties)
            chance = ways * better**wins * tied**ties * worse ** (n - wins - ties)
            covered += chance * ((found.low <= truth) & (truth <= found.high))
    assert covered.min() >= 0.95
