import random
from itertools import product

import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.interquartile_mean import interquartile_mean, stratified_interval
from prunebench.reports.statistics.intervals import Interval


def test_iqm_by_hand() -> None:
    assert interquartile_mean([9.0, 1.0, 2.0, 4.0]) == 3.0  # without 1 and 9
    assert interquartile_mean([8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 100.0]) == 4.5  # without 1 2, 8 100
    assert interquartile_mean([0.0, 1.0, 2.0, 3.0, 10.0]) == 2.0  # a quarter of five is one
    assert interquartile_mean([1.0, 2.0, 6.0]) == 3.0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 50, 101])
def test_iqm_is_scipys_trimmed_mean(n: int) -> None:
    values = np.random.default_rng(n).standard_normal(n)
    assert interquartile_mean(values) == pytest.approx(float(stats.trim_mean(values, 0.25)))


def test_interval_has_the_quantiles_of_all_resamples() -> None:
    strata = [[0.10, 0.15, 0.32], [0.50, 0.58, 0.61], [0.33, 0.41, 0.72]]
    resamples = [list(product(values, repeat=3)) for values in strata]
    every = stats.trim_mean(np.array([sum(triple, ()) for triple in product(*resamples)]), 0.25, axis=1)
    draws = 20_000
    interval = stratified_interval(strata, draws=draws)
    error = 4 * (0.025 * 0.975 / draws) ** 0.5
    for found, tail in ((interval.low, 0.025), (interval.high, 0.975)):
        assert found is not None
        assert np.quantile(every, tail - error) <= found <= np.quantile(every, tail + error)
    assert interval.n == 9
    assert interval.mean == pytest.approx(float(stats.trim_mean(np.concatenate(strata), 0.25)))


def test_interval_is_a_loops_bootstrap() -> None:
    rng = np.random.default_rng(3)
    strata = [rng.standard_normal(n) + 3 * n for n in (2, 4, 5, 8)]  # tasks apart: not stratified it would be wide
    chance, draws = random.Random(0), 1_500
    loop = [
        float(stats.trim_mean([chance.choice(values.tolist()) for values in strata for _ in values], 0.25))
        for _ in range(draws)
    ]
    interval = stratified_interval(strata, draws=draws)
    error = 4 * (2 * 0.025 * 0.975 / draws) ** 0.5  # both are samples
    for found, tail in ((interval.low, 0.025), (interval.high, 0.975)):
        assert found is not None
        assert np.quantile(loop, tail - error) <= found <= np.quantile(loop, tail + error)


def test_the_same_values_give_the_same_interval() -> None:
    strata = np.random.default_rng(0).standard_normal((4, 5)).tolist()
    assert stratified_interval(strata) == stratified_interval(strata)


def test_strata_that_cannot_vary() -> None:
    assert stratified_interval([[0.25], [0.5], [0.75], [1.0]]) == Interval(4, 0.625)
    fixed = stratified_interval([[0.1, 0.1, 0.1], [0.7, 0.7, 0.7]])
    assert fixed.low == fixed.mean == fixed.high
    mixed = stratified_interval([[0.0], [1.0, 3.0]])
    assert mixed.low == pytest.approx(2 / 3)  # 0 1 1
    assert mixed.high == 2.0  # 0 3 3


def test_coverage_at_five_seeds() -> None:
    rng = np.random.default_rng(7)
    means = np.arange(-4.5, 5)[:, None] / 3  # symmetric: the true IQM is 0
    held = 0
    for _ in range(300):
        interval = stratified_interval((means + rng.standard_normal((10, 5))).tolist(), draws=300)
        assert interval.low is not None and interval.high is not None
        held += interval.low <= 0 <= interval.high
    assert 0.84 <= held / 300 <= 0.96


def test_what_cannot_be_aggregated() -> None:
    with pytest.raises(ValueError, match="not 0 and 2000"):
        stratified_interval([])
    with pytest.raises(ValueError, match="not 1 and 0"):
        stratified_interval([[1.0, 2.0]], draws=0)
