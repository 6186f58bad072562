import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.permutation import sign_flip
from prunebench.reports.statistics.sign_flip_power import detectable_difference, seeds_to_decide, sign_flip_power
from prunebench.reports.statistics.t_test_power import t_test_power


@pytest.mark.parametrize(("n", "alpha"), [(6, 0.05), (8, 0.05 / 5), (9, 0.05 / 9)])
@pytest.mark.parametrize("effect", [0.0, 0.8, 1.5, 3.0])
def test_where_one_assignment_rejects_all_signs_must_agree(n: int, alpha: float, effect: float) -> None:
    # 2**(1 - n) <= alpha < 2 * 2**(1 - n): all positive, or all negative
    expected = stats.norm.cdf(effect) ** n + stats.norm.sf(effect) ** n
    assert sign_flip_power(n, -effect, 1.0, alpha) == pytest.approx(expected, abs=0.025)  # three standard errors


@pytest.mark.parametrize(
    ("n", "alpha", "effect"), [(7, 0.05, 1.0), (10, 0.05, 1.0), (10, 0.05 / 9, 1.5), (9, 0.01, 1.2)]
)
def test_it_is_the_share_of_tests_that_reject(n: int, alpha: float, effect: float) -> None:
    samples = effect + np.random.default_rng(1).standard_normal((2_000, n))
    share = float(np.mean([sign_flip(x).p <= alpha for x in samples]))
    assert sign_flip_power(n, effect, 1.0, alpha) == pytest.approx(share, abs=0.04)


def test_too_few_seeds_find_nothing() -> None:
    assert sign_flip_power(5, 100.0, 1.0) == sign_flip_power(8, 100.0, 1.0, 0.05 / 9) == 0.0
    assert detectable_difference(5, 1.0) is detectable_difference(8, 1.0, alpha=0.05 / 9) is None
    assert sign_flip_power(6, 0.01, 0.0) == sign_flip_power(9, 1e9, 1.0, 0.05 / 9) == 1.0


def test_with_many_it_is_the_t_test() -> None:
    assert sign_flip_power(12, 1.0, 1.0) == t_test_power(12, 1.0, 1.0)
    assert sign_flip_power(5_000, 0.05, 1.0) == t_test_power(5_000, 0.05, 1.0)


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 9])
@pytest.mark.parametrize("effect", [0.5, 1.0, 1.5, 2.5, 10.0])
def test_seeds_are_the_first_that_suffice(effect: float, alpha: float) -> None:
    n = seeds_to_decide(effect, 1.0, alpha=alpha)
    assert n is not None
    assert sign_flip_power(n, effect, 1.0, alpha) >= 0.8 > sign_flip_power(n - 1, effect, 1.0, alpha)
    assert seeds_to_decide(-effect / 100, 0.01, alpha=alpha) == n


def test_no_difference_and_no_spread() -> None:
    assert seeds_to_decide(0.0, 1.0) is seeds_to_decide(0.0, 0.0) is seeds_to_decide(0.001, 1.0) is None
    assert seeds_to_decide(0.1, 0.0) == 6
    assert detectable_difference(6, 0.0) == 0.0


@pytest.mark.parametrize(("n", "alpha"), [(6, 0.05), (10, 0.05 / 9), (20, 0.05)])
def test_detectable_has_the_power(n: int, alpha: float) -> None:
    found = detectable_difference(n, 0.01, 0.8, alpha)
    assert found is not None
    assert sign_flip_power(n, found * 1.001, 0.01, alpha) == pytest.approx(0.8, abs=0.002)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="at least 2 seeds"):
        sign_flip_power(1, 0.5, 1.0)
    for call in (lambda: detectable_difference(5, -1.0), lambda: seeds_to_decide(0.5, float("nan"))):
        with pytest.raises(ValueError, match="finite sd"):
            call()
    with pytest.raises(ValueError, match="between alpha and 1"):
        detectable_difference(5, 1.0, 0.05)
