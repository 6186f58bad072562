import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.intervals import Interval, bca_interval, t_interval


def test_t_interval_by_hand() -> None:
    # mean 2, s = 1, t(.975, 2) = 4.302653: half = 4.302653 / sqrt(3) = 2.484138
    interval = t_interval([1.0, 2.0, 3.0])
    assert (interval.n, interval.mean) == (3, 2.0)
    assert interval.low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert interval.half == pytest.approx(2.484138, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 10, 25])
def test_t_interval_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).standard_normal(n)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    interval = t_interval(values)
    assert (interval.low, interval.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_one_value_has_no_interval_and_equal_values_have_width_zero() -> None:
    assert t_interval([0.5]).half is None
    equal = t_interval([0.1, 0.1, 0.1])
    assert (equal.mean, equal.half) == (0.1, 0.0)


def bca_by_definition(x: np.ndarray, draws: int, seed: int) -> tuple[float, float]:
    """Efron and Tibshirani (1993), equations 14.9 to 14.15, with resamples of its own."""
    rng = np.random.default_rng(seed)
    means = np.array([x[rng.integers(len(x), size=len(x))].mean() for _ in range(draws)])
    z0 = stats.norm.ppf(np.mean(means < x.mean()))
    left_out = np.array([np.delete(x, i).mean() for i in range(len(x))])
    u = left_out.mean() - left_out
    a = (u**3).sum() / (6 * (u**2).sum() ** 1.5)
    z = z0 + stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(means, stats.norm.cdf(z0 + z / (1 - a * z)))
    return float(low), float(high)


@pytest.mark.parametrize("n", [5, 12, 40])
def test_bca_interval_is_efrons(n: int) -> None:
    x = np.random.default_rng(n).exponential(size=n)
    found = bca_interval(x)
    low, high = bca_by_definition(x, 20_000, seed=99)
    assert (found.n, found.mean) == (n, pytest.approx(x.mean()))
    assert found.low == pytest.approx(low, abs=0.05 * (high - low))
    assert found.high == pytest.approx(high, abs=0.05 * (high - low))


@pytest.mark.parametrize("n", [2, 7, 40])
def test_bca_interval_is_scipys(n: int) -> None:
    x = np.random.default_rng(n).exponential(size=n)
    rng = np.random.default_rng(0)  # as `random_state`: scipy before 1.15 has no `rng`
    result = stats.bootstrap((x,), np.mean, n_resamples=2_000, method="BCa", random_state=rng)
    found, expected = bca_interval(x, draws=2_000), result.confidence_interval
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_bca_interval_of_two_values_by_hand() -> None:
    # resampled means are 0, 1/2, 1 with 1/4, 1/2, 1/4: both tails of 2.5 % end at the values
    found = bca_interval([0.0, 1.0])
    assert (found.mean, found.low, found.high) == (0.5, 0.0, 1.0)


def test_bca_interval_leans_where_the_values_do() -> None:
    found = bca_interval([0.0, 0.0, 0.1, 0.1, 0.2, 0.2, 0.3, 3.0])
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.mean > 2 * (found.mean - found.low)


def test_bca_interval_is_deterministic_and_its_draws_count() -> None:
    x = np.random.default_rng(0).standard_normal(9)
    assert bca_interval(x) == bca_interval(x)
    assert bca_interval(x, draws=1_000) != bca_interval(x)


def test_bca_interval_of_one_value_and_of_equal_ones() -> None:
    assert bca_interval([0.5]) == Interval(1, 0.5)
    assert bca_interval([0.1, 0.1, 0.1]) == Interval(3, 0.1, 0.1, 0.1)
    assert bca_interval([0.0, 0.0]) == Interval(2, 0.0, 0.0, 0.0)
    assert bca_interval([0.1 - 0.105, 0.7 - 0.705, 0.9 - 0.905]).half == 0.0  # equal but for rounding
    with pytest.raises(ValueError, match="at least 1000 draws, not 10"):
        bca_interval([1.0, 2.0], draws=10)
