import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.noninferiority import Margin, largest_share, margin_tests, smallest_keep_held


@pytest.mark.parametrize("seed", range(12))
def test_it_is_scipys_one_sided_tests(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d, margin = rng.normal(0.001 * (seed % 5 - 2), 0.004, 2 + seed), 0.005
    above = stats.ttest_1samp(d, popmean=-margin, alternative="greater")
    below = stats.ttest_1samp(d, popmean=margin, alternative="less")
    interval = stats.ttest_1samp(d, 0).confidence_interval(0.95)
    found = margin_tests(d, margin)
    assert (found.n, found.margin, found.mean) == (len(d), margin, pytest.approx(d.mean()))
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert found.p_noninferior == pytest.approx(above.pvalue)
    assert found.p_equivalent == pytest.approx(max(above.pvalue, below.pvalue))
    assert found.noninferior is bool(above.pvalue < 0.025)
    assert found.equivalent is bool(max(above.pvalue, below.pvalue) < 0.025)


def test_by_hand() -> None:
    # mean 0, sd 1, n = 4, half the interval 3.182446 / 2 = 1.591223; t = 2 (mean + margin) = 4: p of t(3)
    d = np.array([-1.0, -(0.5**0.5), 0.5**0.5, 1.0])
    found = margin_tests(d, 2.0)
    assert (found.low, found.high) == (pytest.approx(-1.591223), pytest.approx(1.591223))
    assert found.p_noninferior == found.p_equivalent == pytest.approx(0.014004, abs=1e-6)
    assert (found.noninferior, found.equivalent) == (True, True)
    assert (margin_tests(d, 1.59).noninferior, margin_tests(d, 1.6).noninferior) == (False, True)


def test_better_by_more_than_the_margin_is_noninferior_but_not_equivalent() -> None:
    d = [0.02, 0.021, 0.019]
    found = margin_tests(d, 0.005)
    assert (found.noninferior, found.equivalent) == (True, False)
    assert found.p_equivalent == pytest.approx(stats.ttest_1samp(d, 0.005, alternative="less").pvalue)


def test_the_level_decides() -> None:
    d = [-0.004, 0.001, 0.0, -0.001, -0.003]
    p = margin_tests(d, 0.0039).p_noninferior
    assert p is not None
    assert 0.025 < p < 0.05
    assert margin_tests(d, 0.0039).noninferior is False


def test_it_errs_as_often_as_it_says() -> None:
    d = np.random.default_rng(0).normal(-0.5, 1.0, size=(2_000, 6))  # on the margin
    assert np.mean([bool(margin_tests(row, 0.5).noninferior) for row in d]) == pytest.approx(0.025, abs=0.01)


@pytest.mark.parametrize("n", [3, 5, 6, 10])
def test_constant_differences_are_judged_by_their_signs(n: int) -> None:
    p = 2.0**-n  # of n tosses on the right side of the margin; six are the fewest below 0.025
    for value, noninferior, equivalent in (
        (0.0, True, True),
        (-0.004, True, True),
        (0.004, True, True),
        (0.3, True, False),
        (0.005, True, False),
        (-0.005, False, False),
        (-0.3, False, False),
    ):
        found = margin_tests([value] * n, 0.005)
        assert (found.n, found.mean, found.low, found.high) == (n, value, value, value)
        assert (found.p_noninferior, found.p_equivalent) == (p if noninferior else 1, p if equivalent else 1)
        assert (found.noninferior, found.equivalent) == (noninferior and n >= 6, equivalent and n >= 6)


def test_rounding_does_not_decide() -> None:
    assert 0.1 - 0.105 > -0.005 > 0.9 - 0.905
    for d in ([0.1 - 0.105] * 3, [0.9 - 0.905] * 3, [0.1 - 0.105, 0.9 - 0.905, 0.7 - 0.705]):
        found = margin_tests(d, 0.005)
        assert (found.noninferior, found.equivalent) == (False, False)
        assert (found.p_noninferior, found.p_equivalent) == (1.0, 1.0)
        assert found.low == found.high


def test_one_difference_has_no_answer() -> None:
    found = margin_tests([0.1], 0.005)
    assert found == Margin(1, 0.005, 0.1)
    assert found.low is found.high is found.p_noninferior is found.p_equivalent is None
    assert found.noninferior is found.equivalent is None


@pytest.mark.parametrize("margin", [0.0, -0.005, float("nan"), float("inf")])
def test_a_margin_is_finite_and_positive(margin: float) -> None:
    with pytest.raises(ValueError, match=f"finite number above 0, not {margin}"):
        margin_tests([0.1, 0.2], margin)


@pytest.mark.parametrize(
    ("held", "reached"),
    [
        ([True, True, True], 0.1),
        ([True, True, False], 0.25),
        ([True, False, True], 0.5),  # what follows a failure is not tested
        ([True, None, True], 0.5),
        ([False, True, True], None),
        ([None, True, True], None),
    ],
)
def test_held_down_to_stops_at_the_first_failure(held: list[bool | None], reached: float | None) -> None:
    keeps = [0.5, 0.25, 0.1]
    assert smallest_keep_held(keeps, held) == reached
    assert smallest_keep_held(keeps[::-1], held[::-1]) == reached
    assert smallest_keep_held([keeps[i] for i in (1, 0, 2)], [held[i] for i in (1, 0, 2)]) == reached


def test_held_down_to_checks_its_keeps() -> None:
    assert smallest_keep_held([], []) is None
    with pytest.raises(ValueError, match="2 keeps cannot be paired with 1"):
        smallest_keep_held([0.5, 0.1], [True])
    for keeps in ([0.5, 0.5], [0.5, float("nan")]):
        with pytest.raises(ValueError, match="tested once"):
            smallest_keep_held(keeps, [True, False])


def test_what_few_runs_do_not_exclude() -> None:
    assert largest_share(0, 10) == pytest.approx(1 - 0.05**0.1)
    assert [round(largest_share(0, n), 2) for n in (5, 10, 20)] == [0.45, 0.26, 0.14]
    for seen, n in ((1, 10), (4, 6), (0, 3)):
        exact = stats.binomtest(seen, n, alternative="less").proportion_ci(0.95, "exact").high
        assert largest_share(seen, n) == pytest.approx(exact)
    assert largest_share(4, 4) == 1.0
    for seen, n in ((0, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="at least 1 run"):
            largest_share(seen, n)
