from types import SimpleNamespace

import numpy as np
import pytest

from prunebench.errors import UserError
from prunebench.reports.analysis.noise import noise_of_results, primary_contrasts
from prunebench.reports.results import gather_results


def test_real_noise_has_no_mean_and_unit_spread(make: SimpleNamespace) -> None:
    results = gather_results("x", make.grid(("magnitude", "taylor", "obd", "random"), range(5)))
    assert len(list(primary_contrasts(results))) == 2 * 2  # contrasts, keeps
    noise = noise_of_results("mine", results)
    single = noise.draw(np.random.default_rng(0), (20_000,))
    assert len(np.unique(single.round(9))) == 2 * 2 * 5  # seeds
    assert (single.mean(), single.std()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.03))


def test_a_family_is_resampled_seed_by_seed(make: SimpleNamespace) -> None:
    made = [make.record("magnitude", seed, accuracy=0.9) for seed in range(4)]
    made += [make.record(c, s, accuracy=0.9 + f * s) for c, f in (("obd", 0.01), ("taylor", 0.02)) for s in range(4)]
    obd, taylor = noise_of_results("mine", gather_results("x", made)).family(np.random.default_rng(0), 50)
    assert taylor == pytest.approx(2 * obd)
    assert set(obd.round(6)) == {-0.015, -0.005, 0.005, 0.015}


def test_without_spread_there_is_no_noise(make: SimpleNamespace) -> None:
    tied = [make.record(c, s, accuracy=0.9) for c in ("magnitude", "taylor") for s in range(12)]
    with pytest.raises(UserError, match="x: no primary contrast"):
        noise_of_results("x", gather_results("x", tied))
