import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.permutation import sign_flip


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
    with pytest.raises(ValueError, match="40"):
        sign_flip(np.ones(41))


def test_forty_pairs_of_whole_pictures_by_counting_sums_of_integers() -> None:
    rng = np.random.default_rng(7)
    pictures = rng.binomial(2000, 0.8, 40) - rng.binomial(2000, 0.79, 40)
    ways = {0: 1}
    for d in pictures.tolist():
        flipped: dict[int, int] = {}
        for total, count in ways.items():
            for place in (total + d, total - d):
                flipped[place] = flipped.get(place, 0) + count
        ways = flipped
    reached = sum(count for total, count in ways.items() if abs(total) >= abs(int(pictures.sum())))
    assert sum(ways.values()) == 2**40
    assert sign_flip(pictures / 2000).p == reached / 2**40
