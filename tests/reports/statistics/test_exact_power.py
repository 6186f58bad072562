import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.exact_power import detectable, exact_power, seeds_to_decide
from prunebench.reports.statistics.permutation import sign_flip
from prunebench.reports.statistics.power import power


@pytest.mark.parametrize(("n", "alpha"), [(6, 0.05), (8, 0.05 / 5), (9, 0.05 / 9)])
@pytest.mark.parametrize("effect", [0.0, 0.8, 1.5, 3.0])
def test_where_one_assignment_rejects_all_signs_must_agree(n: int, alpha: float, effect: float) -> None:
    # 2**(1 - n) <= alpha < 2 * 2**(1 - n): all positive, or all negative
    expected = stats.norm.cdf(effect) ** n + stats.norm.sf(effect) ** n
    assert exact_power(n, -effect, 1.0, alpha) == pytest.approx(expected, abs=0.025)  # three standard errors


@pytest.mark.parametrize(
    ("n", "alpha", "effect"), [(7, 0.05, 1.0), (10, 0.05, 1.0), (10, 0.05 / 9, 1.5), (9, 0.01, 1.2)]
)
def test_it_is_the_share_of_tests_that_reject(n: int, alpha: float, effect: float) -> None:
    samples = effect + np.random.default_rng(1).standard_normal((2_000, n))
    share = float(np.mean([sign_flip(x).p <= alpha for x in samples]))
    assert exact_power(n, effect, 1.0, alpha) == pytest.approx(share, abs=0.04)


def test_too_few_seeds_find_nothing() -> None:
    assert exact_power(5, 100.0, 1.0) == exact_power(8, 100.0, 1.0, 0.05 / 9) == 0.0
    assert detectable(5, 1.0) is detectable(8, 1.0, alpha=0.05 / 9) is None
    assert exact_power(6, 0.01, 0.0) == exact_power(9, 1e9, 1.0, 0.05 / 9) == 1.0


def test_with_many_it_is_the_t_test() -> None:
    assert exact_power(12, 1.0, 1.0) == power(12, 1.0, 1.0)
    assert exact_power(5_000, 0.05, 1.0) == power(5_000, 0.05, 1.0)


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 9])
@pytest.mark.parametrize("effect", [0.5, 1.0, 1.5, 2.5, 10.0])
def test_seeds_are_the_first_that_suffice(effect: float, alpha: float) -> None:
    n = seeds_to_decide(effect, 1.0, alpha=alpha)
    assert n is not None
    assert exact_power(n, effect, 1.0, alpha) >= 0.8 > exact_power(n - 1, effect, 1.0, alpha)
    assert seeds_to_decide(-effect / 100, 0.01, alpha=alpha) == n


def test_no_difference_and_no_spread() -> None:
    assert seeds_to_decide(0.0, 1.0) is seeds_to_decide(0.0, 0.0) is seeds_to_decide(0.001, 1.0) is None
    assert seeds_to_decide(0.1, 0.0) == 6
    assert detectable(6, 0.0) == 0.0


@pytest.mark.parametrize(("n", "alpha"), [(6, 0.05), (10, 0.05 / 9), (20, 0.05)])
def test_detectable_has_the_power(n: int, alpha: float) -> None:
    found = detectable(n, 0.01, 0.8, alpha)
    assert found is not None
    assert exact_power(n, found * 1.001, 0.01, alpha) == pytest.approx(0.8, abs=0.002)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="at least 2 seeds"):
        exact_power(1, 0.5, 1.0)
    for call in (lambda: detectable(5, -1.0), lambda: seeds_to_decide(0.5, float("nan"))):
        with pytest.raises(ValueError, match="finite sd"):
            call()
    with pytest.raises(ValueError, match="between alpha and 1"):
        detectable(5, 1.0, 0.05)
