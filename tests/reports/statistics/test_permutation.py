import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.permutation import sign_flip, whole_units


@pytest.mark.parametrize("seed", range(6))
def test_sign_flip_is_scipys_exact_permutation_test(seed: int) -> None:
    rng = np.random.default_rng(seed)
    differences = np.round(rng.standard_normal(2 + seed) + 0.5, 1)  # rounded: ties between sums
    expected = stats.permutation_test(
        (differences,), lambda x, axis: np.mean(x, axis=axis), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(differences).p == pytest.approx(expected.pvalue)


def test_sign_flip_by_hand() -> None:
    # sums of +-1 +-1 +-2: 4 2 2 0 0 -2 -2 -4; |sum| >= 2 in six of eight
    assert sign_flip([1.0, 1.0, -2.0]).p == 1.0
    assert sign_flip([-1.0, 1.0, 2.0]).p == 6 / 8
    assert sign_flip([0.1, 0.2, 0.3]).p == 2 / 8  # .1 + .2 rounds away from .3


def test_smallest_attainable_p() -> None:
    assert sign_flip([1.0] * 5).smallest == sign_flip([1.0] * 5).p == 2 / 32
    assert sign_flip([1.0, 1.0, 0.0]).smallest == sign_flip([1.0, 1.0, 0.0]).p == 0.5
    assert sign_flip([0.0, 0.0]).p == sign_flip([0.0, 0.0]).smallest == 1.0
    assert sign_flip(np.ones(30)).p == 2.0**-29


def test_many_accuracies_are_counted_exactly() -> None:
    pictures = np.random.default_rng(0).integers(-30, 41, size=60)
    ways = {0: 1}  # sums of signed whole numbers, counted in whole numbers
    for value in pictures.tolist():
        new: dict[int, int] = {}
        for total, count in ways.items():
            for other in (total + value, total - value):
                new[other] = new.get(other, 0) + count
        ways = new
    reached = sum(count for total, count in ways.items() if abs(total) >= abs(pictures.sum()))
    assert sign_flip(pictures / 10_000).p == pytest.approx(reached / 2**60, rel=1e-9)


def test_sums_are_counted_in_the_unit_that_all_share() -> None:
    # |sum| of +-3 +-6 +-9 reaches 6 unless it is 0: six of eight; sqrt(2) shares no unit with 3
    for d, units in (([0.003, -0.006, 0.009], [1, -2, 3]), ([0.006, 0.009, 0.0], [2, 3, 0])):
        found = whole_units(np.array(d), 1e-11)
        assert found is not None and found.tolist() == units
    assert whole_units(np.array([3.0, 2**0.5]), 1e-9) is None
    assert whole_units(np.array([1.0, 2.0**14]), 1e-9) is None  # counted sum by sum
    assert sign_flip([0.003, -0.006, 0.009]).p == sign_flip([3, -6, 9 + 1e-7]).p == 6 / 8


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_of_counting_sums_agree(seed: int) -> None:
    d = np.random.default_rng(seed).integers(-9, 14, size=24) * 1.0
    sums = np.zeros(1)
    for value in d[:12], d[12:]:
        signs = 1 - 2 * (np.arange(2**12)[:, None] >> np.arange(12) & 1)
        sums = np.add.outer(sums, signs @ value).ravel()
    assert sign_flip(d / 2000).p == np.mean(np.abs(sums) >= abs(d.sum()))


def test_many_other_differences_draw_their_signs() -> None:
    rng = np.random.default_rng(0)
    many = rng.standard_normal(60) + 0.25
    found = sign_flip(many)
    assert found.p == pytest.approx(stats.ttest_1samp(many, 0).pvalue, abs=0.01)  # alike at this n
    assert found == sign_flip(many)
    assert sign_flip(10 + rng.random(60)).p == sign_flip(10 + rng.random(60)).smallest == 1e-5
