import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.intervals import paired_interval, t_interval


def test_t_interval_by_hand() -> None:
    # mean 2, s = 1, t(.975, 2) = 4.302653: half = 4.302653 / sqrt(3) = 2.484138
    interval = t_interval([1.0, 2.0, 3.0])
    assert (interval.n, interval.mean) == (3, 2.0)
    assert interval.low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert interval.half == pytest.approx(2.484138, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 10, 25])
def test_t_interval_is_scipys(n: int) -> None:
    values = np.random.default_rng(n).standard_normal(n)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    interval = t_interval(values, level=0.9)
    assert (interval.low, interval.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_one_value_has_no_interval_and_equal_values_have_width_zero() -> None:
    assert t_interval([0.5]).half is None
    equal = t_interval([0.1, 0.1, 0.1])
    assert (equal.mean, equal.half) == (0.1, 0.0)


def test_values_must_be_finite_and_present() -> None:
    for values in ([], [1.0, float("nan")], [[1.0]]):
        with pytest.raises(ValueError, match="finite"):
            t_interval(values)


def test_paired_interval_is_of_the_differences() -> None:
    ours, reference = [0.9, 0.8, 0.95], [0.85, 0.7, 0.93]
    expected = stats.ttest_rel(ours, reference).confidence_interval()
    interval = paired_interval(ours, reference)
    assert (interval.low, interval.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    with pytest.raises(ValueError, match="paired"):
        paired_interval([1.0], [1.0, 2.0])
