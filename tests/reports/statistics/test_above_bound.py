import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.above_bound import above_bound

BOUND, SEEDS = 0.92, 8


@pytest.mark.parametrize("seed", range(12))
def test_it_is_scipys_one_sided_test(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(BOUND + 0.001 * (seed % 5), 0.004, 2 + seed)
    wanted = stats.ttest_1samp(x, BOUND, alternative="greater")
    found = above_bound(x, BOUND)
    assert (found.n, found.mean) == (len(x), pytest.approx(x.mean()))
    assert found.p == pytest.approx(wanted.pvalue)
    assert found.low == pytest.approx(wanted.confidence_interval(0.95).low)
    assert found.confirmed is bool(wanted.pvalue <= 0.05) is (found.low > BOUND)


def test_by_hand() -> None:
    # mean .93, sd .01, n = 4: the limit is .93 - 2.353363 * .005 = .918233
    x = [0.93 - 0.01, 0.93 - 0.01 * 0.5**0.5, 0.93 + 0.01 * 0.5**0.5, 0.94]
    found = above_bound(x, 0.9182)
    assert found.low == pytest.approx(0.918233, abs=1e-6) and found.confirmed
    assert not above_bound(x, 0.9183).confirmed
    assert (found.below, above_bound(x, 0.925).below) == (0, 2)
    # none of four below: 1 - .05 ** (1 / 4)
    assert found.may_be_below == pytest.approx(0.527129, abs=1e-6)


def test_an_accuracy_on_the_bound_is_confirmed_at_most_once_in_twenty() -> None:
    rng = np.random.default_rng(0)
    normal = rng.normal(BOUND, 0.004, (4_000, SEEDS))
    pictures = rng.binomial(500, BOUND, (4_000, SEEDS)) / 500
    for drawn in (normal, pictures):
        assert np.mean([above_bound(row, BOUND).confirmed for row in drawn]) == pytest.approx(0.05, abs=0.011)


def test_equal_values_are_judged_by_their_signs() -> None:
    for n, confirmed in ((4, False), (5, True), (8, True)):  # p is 2 ** -n
        assert above_bound([0.93] * n, BOUND).confirmed is confirmed
        assert above_bound([BOUND] * n, BOUND).confirmed is False
    assert above_bound([0.93] * 8, BOUND).low == 0.93


def test_a_single_run_is_judged_by_its_pictures() -> None:
    right = np.array([[1] * 950 + [0] * 50])
    low = 0.95 - stats.t.ppf(0.95, 999) * (0.95 * 0.05 / 999) ** 0.5
    found = above_bound([0.95], BOUND, right)
    assert found.low == pytest.approx(low) and found.p is None and found.confirmed
    assert not above_bound([0.95], low + 1e-6, right).confirmed
    alone = above_bound([0.95], BOUND)
    assert (alone.low, alone.confirmed, alone.other_pictures) == (None, False, None)


def test_few_pictures_do_not_carry_the_claim_to_others() -> None:
    right = np.array([[1] * 19 + [0]] * SEEDS)
    right[0, 0] = 0
    found = above_bound(right.mean(1), BOUND, right)
    assert (found.confirmed, found.other_pictures) == (True, False)
    many = np.tile(right, 100)
    assert above_bound(many.mean(1), BOUND, many).other_pictures is True


@pytest.mark.parametrize("bound", [np.nan, np.inf])
def test_what_is_no_bound_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="a bound is a finite number"):
        above_bound([0.9, 0.8], bound)
