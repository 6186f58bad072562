from types import SimpleNamespace

import numpy as np
import pytest

from prunebench.errors import UserError
from prunebench.reports.output import calibration
from prunebench.reports.results import gather

REPETITIONS = 2_000  # a standard error of half a point


@pytest.mark.parametrize("n", calibration.SIZES)
def test_the_interval_that_is_printed_covers(n: int) -> None:
    heavy = calibration.resampled_residuals(np.random.default_rng(0).standard_t(5, size=200))
    for draw in (calibration.normal_differences, heavy):
        assert 0.93 <= calibration.coverage_rate(draw, n, REPETITIONS) <= 0.97


@pytest.mark.parametrize("n", calibration.SIZES)
def test_no_more_false_rejections_than_the_level(n: int) -> None:
    noise = calibration.Noise("normal", calibration.normal_differences, calibration.family_with_one_baseline)
    assert calibration.false_rejection_rate(noise.draw, n, REPETITIONS) <= 0.05 + 0.01
    assert calibration.family_error_rate(noise, n, REPETITIONS // 10) <= 0.05 + 0.04


@pytest.mark.parametrize("contrasts", [1, 9])
@pytest.mark.parametrize("difference", [1.0, 1.5, 2.0])
def test_power_is_reached(difference: float, contrasts: int) -> None:
    n, found = calibration.power_reached(calibration.normal_differences, difference, contrasts, REPETITIONS // 2)
    assert found >= 0.8 - 0.03
    if n > 11:  # few seeds: one more is much more
        assert found <= 0.8 + 0.05


def test_real_noise_has_no_mean_and_unit_spread(make: SimpleNamespace) -> None:
    results = gather("x", make.grid(("magnitude", "taylor", "obd", "random"), range(5)))
    assert len(list(calibration.primary_contrasts(results))) == 2 * 2  # contrasts, keeps
    noise = calibration.noise_of_results("mine", results)
    single = noise.draw(np.random.default_rng(0), (20_000,))
    assert len(np.unique(single.round(9))) == 2 * 2 * 5  # seeds
    assert (single.mean(), single.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.03))


def test_a_family_is_resampled_seed_by_seed(make: SimpleNamespace) -> None:
    made = [make.record("magnitude", seed, accuracy=0.9) for seed in range(4)]
    made += [make.record(c, s, accuracy=0.9 + f * s) for c, f in (("obd", 0.01), ("taylor", 0.02)) for s in range(4)]
    obd, taylor = calibration.noise_of_results("mine", gather("x", made)).family(np.random.default_rng(0), 50)
    assert taylor == pytest.approx(2 * obd)
    assert set(obd.round(6)) == {-0.015, -0.005, 0.005, 0.015}


def test_ties_and_no_noise_at_all(make: SimpleNamespace) -> None:
    tied = [make.record(c, s, accuracy=0.9) for c in ("magnitude", "taylor") for s in range(12)]
    with pytest.raises(UserError, match="x: no contrast"):
        calibration.noise_of_results("x", gather("x", tied))
    assert not calibration.contrasts_table(gather("x", tied)).rows
    moved = [*tied[:-1], make.record("taylor", 11, accuracy=0.95)]
    ((name, ties, *covers),) = calibration.contrasts_table(gather("x", moved), 200).rows
    assert (name, ties) == ("taylor to magnitude, keep 0.5", "11 of 12")
    # of n resampled seeds none is the odd one with a chance of (11 / 12)**n: then the interval misses the mean
    assert float(covers[0].removesuffix(" %")) <= 100 * (1 - (11 / 12) ** 5) + 10
