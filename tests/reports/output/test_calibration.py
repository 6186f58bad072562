from types import SimpleNamespace

import numpy as np
import pytest

from prunebench.reports.analysis.noise import NORMAL, resampled_residuals
from prunebench.reports.output import calibration
from prunebench.reports.results import gather_results

REPETITIONS = 2_000  # a standard error of half a point


@pytest.mark.parametrize("n", calibration.SIZES)
def test_the_interval_that_is_printed_covers(n: int) -> None:
    heavy = resampled_residuals(np.random.default_rng(0).standard_t(5, size=200))
    for draw in (NORMAL.draw, heavy):
        assert 0.93 <= calibration.coverage_rate(draw, n, REPETITIONS) <= 0.97


@pytest.mark.parametrize("n", calibration.SIZES)
def test_no_more_false_rejections_than_the_level(n: int) -> None:
    assert calibration.false_rejection_rate(NORMAL.draw, n, REPETITIONS) <= 0.05 + 0.01
    assert calibration.family_error_rate(NORMAL, n, REPETITIONS // 10) <= 0.05 + 0.04


@pytest.mark.parametrize("contrasts", [1, 9])
@pytest.mark.parametrize("difference", [1.0, 1.5, 2.0])
def test_power_is_reached(difference: float, contrasts: int) -> None:
    n, found = calibration.power_reached(NORMAL.draw, difference, contrasts, REPETITIONS // 5)
    assert found >= 0.8 - 0.08  # three standard errors of both simulations
    if n > 11:  # few seeds: one more is much more
        assert found <= 0.8 + 0.1


def test_ties_are_counted_and_lower_the_coverage(make: SimpleNamespace) -> None:
    tied = [make.record(c, s, accuracy=0.9) for c in ("magnitude", "taylor") for s in range(12)]
    assert not calibration.contrasts_table(gather_results("x", tied)).rows
    moved = [*tied[:-1], make.record("taylor", 11, accuracy=0.95)]
    ((name, ties, *covers),) = calibration.contrasts_table(gather_results("x", moved), 200).rows
    assert (name, ties) == ("taylor to magnitude, keep 0.5", "11 of 12")
    # of n resampled seeds none is the odd one with a chance of (11 / 12)**n: then the interval misses the mean
    assert float(covers[0].removesuffix(" %")) <= 100 * (1 - (11 / 12) ** 5) + 10
