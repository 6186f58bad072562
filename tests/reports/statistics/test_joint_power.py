import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.joint_power import (
    SIMULATED,
    detectable_difference,
    joint_power,
    level_of_one,
    seeds_to_decide,
)
from prunebench.reports.statistics.joint_sign_flips import joint_sign_flips
from prunebench.reports.statistics.t_test_power import t_test_power


@pytest.mark.parametrize(
    ("n", "family", "effect"), [(6, 1, 1.5), (6, 7, 1.5), (8, 7, 1.5), (10, 30, 1.25), (14, 7, 1.0)]
)
def test_the_test_itself_finds_as_often(n: int, family: int, effect: float) -> None:
    rng = np.random.default_rng(n + 1)
    drawn = rng.standard_normal((600, family + 1, n)) / 2**0.5
    d = drawn[:, 1:] - drawn[:, :1]
    d[:, 0] += effect
    share = np.mean([joint_sign_flips(one, [0] * family, most=1_000)[0] <= 0.05 for one in d])
    assert joint_power(n, -10 * effect, 10.0, family) == pytest.approx(share, abs=0.07)  # two errors of 0.02


def test_one_contrast_of_six_seeds_by_hand() -> None:
    # all six of one sign: Phi(1.5)**6 = 0.660, and Phi(-1.5)**6 is nothing
    assert joint_power(6, 1.5, 1.0) == pytest.approx(stats.norm.cdf(1.5) ** 6, abs=0.06)


@pytest.mark.parametrize("family", [1, 7, 30])
def test_the_two_ways_meet(family: int) -> None:
    for effect in (0.6, 0.8, 1.0):
        by_t = t_test_power(SIMULATED, effect, 1.0, level_of_one(family))
        assert -0.04 < joint_power(SIMULATED, effect, 1.0, family) - by_t < 0.12
    assert joint_power(SIMULATED + 1, 0.8, 1.0, family) == t_test_power(SIMULATED + 1, 0.8, 1.0, level_of_one(family))


def test_the_level_is_dunnetts() -> None:
    assert level_of_one(1) == pytest.approx(0.05, abs=1e-9)
    for family, critical in ((2, 2.21), (5, 2.51), (9, 2.69)):  # his table of two-sided 5 % points, infinite freedom
        assert stats.norm.isf(level_of_one(family) / 2) == pytest.approx(critical, abs=0.006)


@pytest.mark.parametrize("family", [1, 7])
@pytest.mark.parametrize("effect", [0.5, 1.0, 1.5])
def test_the_seeds_have_the_power_and_one_fewer_has_not(effect: float, family: int) -> None:
    n = seeds_to_decide(effect, 1.0, family)
    assert n is not None
    assert joint_power(n, effect, 1.0, family) >= 0.8
    assert joint_power(n - 1, effect, 1.0, family) < 0.8 or n == SIMULATED + 1
    assert seeds_to_decide(-effect / 100, 0.01, family) == n
    found = detectable_difference(n, 1.0, family)
    assert found is not None and found <= effect + 1e-9


def test_the_ends() -> None:
    assert joint_power(5, 100.0, 1.0, 7) == 0.0 and detectable_difference(5, 1.0) is None
    assert joint_power(6, 0.1, 0.0, 150) == joint_power(6, 1e9, 1.0, 7) == 1.0
    assert seeds_to_decide(0.1, 0.0, 150) == 6 and detectable_difference(6, 0.0, 7) == 0.0
    assert seeds_to_decide(0.0, 1.0) is seeds_to_decide(0.0, 0.0) is seeds_to_decide(0.001, 1.0) is None
    assert joint_power(10, 1.0, 1.0, 7) == joint_power(10, 1.0, 1.0, 7)  # seeded


def test_what_is_refused() -> None:
    for call in (
        lambda: joint_power(0, 1.0, 1.0),
        lambda: joint_power(6, 1.0, 1.0, 0),
        lambda: joint_power(6, float("nan"), 1.0),
        lambda: seeds_to_decide(1.0, -1.0),
        lambda: detectable_difference(6, 1.0, 1, 0.05),
    ):
        with pytest.raises(ValueError, match="needed"):
            call()
