from types import SimpleNamespace

import numpy as np
import pytest

from prunebench.reports import calibration
from prunebench.reports.results import gather

REPETITIONS = 2_000  # a standard error of half a point


@pytest.mark.parametrize("n", calibration.SIZES)
def test_the_interval_that_is_printed_covers(n: int) -> None:
    heavy = calibration.resampled(np.random.default_rng(0).standard_t(5, size=200))
    for draw in (calibration.normal, heavy):
        assert 0.93 <= calibration.coverage(draw, n, REPETITIONS) <= 0.97


@pytest.mark.parametrize("n", calibration.SIZES)
def test_no_more_false_rejections_than_the_level(n: int) -> None:
    assert calibration.rejections(calibration.normal, n, REPETITIONS) <= 0.05 + 0.01
    assert calibration.family_errors(calibration.normal, n, REPETITIONS // 10) <= 0.05 + 0.04


@pytest.mark.parametrize("difference", [0.5, 1.0, 2.0])
def test_power_is_reached(difference: float) -> None:
    n, found = calibration.power_reached(calibration.normal, difference, REPETITIONS)
    assert found >= 0.8 - 0.02
    if n > 5:  # few seeds: one more is much more
        assert found <= 0.8 + 0.05


def test_residuals_have_no_mean_and_unit_spread(make: SimpleNamespace) -> None:
    found = calibration.residuals(gather("x", make.grid(("magnitude", "taylor", "obd", "random"), range(5))))
    assert len(found) == 2 * 2 * 5  # contrasts, keeps, seeds
    assert found.mean() == pytest.approx(0)
    assert np.mean(found**2) == pytest.approx(1)
    drawn = calibration.resampled(found)(np.random.default_rng(0), (4, 3))
    assert drawn.shape == (4, 3) and set(np.round(drawn.ravel(), 9)) <= set(np.round(found, 9))
