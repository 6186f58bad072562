from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from prunebench.reports.statistics.ranks import (
    Friedman,
    cliques,
    critical_difference,
    friedman_test,
    mean_ranks,
    wilcoxon_p,
)

# Demsar (2006), Table 6: AUC of C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets. In `voting` the paper ranks the two
# 0.975 second and third, by digits it does not print: here 1e-6 tells them apart.
TABLE_6 = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975 + 1e-6, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
TABLE_6_RANKS = (3.143, 2.000, 2.893, 1.964)

# Hollander and Wolfe (1973), page 140: seconds to first base of 22 players by three methods, as in R's `friedman.test`
ROUNDING_TIMES = [
    *([5.40, 5.50, 5.55], [5.85, 5.70, 5.75], [5.20, 5.60, 5.50], [5.55, 5.50, 5.40], [5.90, 5.85, 5.70]),
    *([5.45, 5.55, 5.60], [5.40, 5.40, 5.35], [5.45, 5.50, 5.35], [5.25, 5.15, 5.00], [5.85, 5.80, 5.70]),
    *([5.25, 5.20, 5.10], [5.65, 5.55, 5.45], [5.60, 5.35, 5.45], [5.05, 5.00, 4.95], [5.50, 5.50, 5.40]),
    *([5.45, 5.55, 5.50], [5.55, 5.55, 5.35], [5.45, 5.50, 5.55], [5.50, 5.45, 5.25], [5.65, 5.60, 5.40]),
    *([5.70, 5.65, 5.55], [6.30, 6.30, 6.25]),
]


def brute_force_signed_rank(differences: NDArray[np.float64]) -> float:
    """Two-sided p over all signs of the differences that are not zero, ranked among all."""
    ranks = stats.rankdata(np.abs(differences))[differences != 0]
    signs = np.array(list(product([-1, 1], repeat=len(ranks))))
    observed = abs(float((ranks * np.sign(differences[differences != 0])).sum()))
    return float((np.abs(signs @ ranks) >= observed).mean())


def test_demsars_ranks_and_statistics() -> None:
    test = friedman_test(TABLE_6)
    assert test.ranks == pytest.approx(TABLE_6_RANKS, abs=5e-4)
    assert mean_ranks(TABLE_6) == pytest.approx(test.ranks)
    # The paper does not correct for ties: three tasks tie two methods and one all four, sum of t**3 - t = 3 * 6 + 60
    uncorrected = test.chi_square * (1 - (3 * 6 + 60) / (14 * (4**3 - 4)))
    assert uncorrected == pytest.approx(9.28, abs=5e-3)
    assert 13 * uncorrected / (14 * 3 - uncorrected) == pytest.approx(3.69, abs=5e-3)
    assert test.f == pytest.approx(13 * test.chi_square / (14 * 3 - test.chi_square))


def test_f_on_a_table_without_ties_by_hand() -> None:
    # rank sums 7, 12, 17 of six tasks, one of them 2 1 3 and one 1 3 2: chi_square = 12 (49 + 144 + 289) / 72 - 72
    scores = [[3.0, 2.0, 1.0]] * 4 + [[2.0, 3.0, 1.0], [3.0, 1.0, 2.0]]
    test = friedman_test(scores)
    assert test.ranks == pytest.approx((7 / 6, 2.0, 17 / 6))
    assert test.chi_square == pytest.approx(25 / 3)
    assert test.f == pytest.approx(5 * (25 / 3) / (12 - 25 / 3))
    assert test.p_f == pytest.approx((1 + 2 * test.f / 10) ** -5)  # of 2 and 10


def test_friedman_of_hollander_and_wolfe_is_what_r_prints() -> None:
    test = friedman_test(-np.array(ROUNDING_TIMES))
    assert test.chi_square == pytest.approx(11.143, abs=5e-4)


@pytest.mark.parametrize("seed", range(5))
def test_friedman_with_ties_is_scipys_and_f_that_of_an_analysis_of_variance_of_ranks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = 6 + 3 * seed, 3 + seed
    scores = np.round(rng.standard_normal((n, k)) + np.arange(k) / 4, 0)
    test = friedman_test(scores)
    expected = stats.friedmanchisquare(*scores.T)
    assert test.chi_square == pytest.approx(float(expected.statistic))
    # nested least squares: ranks explained by tasks alone, and by tasks and methods
    ranks = stats.rankdata(-scores, axis=1).ravel()
    tasks, methods = np.kron(np.eye(n), np.ones((k, 1))), np.kron(np.ones((n, 1)), np.eye(k))
    left = [
        float(((ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]) ** 2).sum())
        for design in (tasks, np.hstack([tasks, methods]))
    ]
    assert test.f == pytest.approx((left[0] - left[1]) / (k - 1) / (left[1] / ((k - 1) * (n - 1))))
    assert test.p_f == pytest.approx(1 - stats.f.cdf(test.f, k - 1, (k - 1) * (n - 1)))


def test_p_of_f_at_demsars_critical_value() -> None:
    # "The critical value of F(3, 39) for alpha = 0.05 is 2.85"
    assert stats.f.sf(2.85, 3, 39) == pytest.approx(0.05, abs=5e-4)
    assert friedman_test(TABLE_6).p_f < 0.05


def test_full_agreement_and_full_ties_have_a_p() -> None:
    agreed = friedman_test([[0.3, 0.1, 0.2]] * 7)
    assert agreed == Friedman((1.0, 3.0, 2.0), 14.0, float("inf"), 0.0)
    assert friedman_test([[0.5, 0.5, 0.1, 0.0]] * 6).p_f == 0.0
    tied = friedman_test(np.full((6, 3), 0.7))
    assert tied == Friedman((2.0, 2.0, 2.0), 0.0, 0.0, 1.0)
    assert friedman_test(np.zeros((6, 3))).p_f == 1.0


def test_rounding_does_not_break_ties() -> None:
    assert 0.1 + 0.2 != 0.3
    assert mean_ranks([[0.1 + 0.2, 0.3]]).tolist() == [1.5, 1.5]
    assert mean_ranks([[0.3 + 1e-9, 0.3]]).tolist() == [1.0, 2.0]
    assert mean_ranks([[-1.0, -2.0], [1e6, 2e6]]).tolist() == [1.5, 1.5]
    # six differences of 0.1, one of them negative: 2 (1 + 6) of 64 assignments of signs go as far
    assert wilcoxon_p([0.9, 0.8, 0.7, 0.6, 0.5, 0.3], [0.8, 0.7, 0.6, 0.5, 0.4, 0.4]) == 14 / 64


def test_friedman_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="Wilcoxon"):
        friedman_test(np.ones((8, 2)))
    with pytest.raises(ValueError, match="at least 6 tasks, there are 5"):
        friedman_test(np.ones((5, 3)))
    for scores in ([1.0, 2.0], np.ones((0, 3)), [[1.0, float("nan")]]):
        with pytest.raises(ValueError, match="finite scores"):
            mean_ranks(scores)


@pytest.mark.parametrize("n", [1, 2, 6, 14, 25])
def test_wilcoxon_without_ties_is_scipys_exact_test(n: int) -> None:
    ours, reference = np.random.default_rng(n).standard_normal((2, n))
    expected = stats.wilcoxon(ours + 0.3, reference, method="exact").pvalue
    assert wilcoxon_p(ours + 0.3, reference) == pytest.approx(float(expected))


def test_wilcoxon_at_the_tabled_critical_value() -> None:
    # Tables give 21 as the largest significant smaller sum of ranks for N = 14, alpha = 0.05 (Demsar, section 3.1.3)
    ranks = np.arange(1.0, 15)
    for negative, significant in (([10, 11], True), ([10, 12], False)):
        d = np.where(np.isin(ranks, negative), -ranks, ranks)
        assert (wilcoxon_p(d, np.zeros(14)) <= 0.05) is significant


def test_demsars_wilcoxon_example() -> None:
    ours, reference = TABLE_6[:, 1], TABLE_6[:, 0]
    d = np.round(ours - reference, 3)
    assert stats.wilcoxon(d, zero_method="zsplit").statistic == 12.0  # the paper's T = min(93, 12)
    p = wilcoxon_p(ours, reference)
    assert p < 0.05
    assert p == brute_force_signed_rank(d)
    assert wilcoxon_p(reference, ours) == p


@pytest.mark.parametrize("seed", range(6))
def test_wilcoxon_with_ties_and_zeros_is_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = np.round(rng.standard_normal(5 + seed) + 0.4, 0)
    d[0], d[1] = 0.0, 1.0
    assert wilcoxon_p(d, np.zeros(len(d))) == pytest.approx(brute_force_signed_rank(d))


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_wilcoxon_of_many_tasks_is_scipys_approximation_after_pratt(decimals: int) -> None:
    d = np.round(np.random.default_rng(decimals).standard_normal(60) + 0.3, decimals)
    expected = stats.wilcoxon(d, zero_method="pratt", method="approx").pvalue
    assert wilcoxon_p(d, np.zeros(60)) == pytest.approx(float(expected))


def test_wilcoxon_without_a_difference_and_with_other_lengths() -> None:
    assert wilcoxon_p([0.5, 0.7], [0.5, 0.7]) == wilcoxon_p([0.0], [0.0]) == wilcoxon_p(np.ones(30), np.ones(30)) == 1.0
    with pytest.raises(ValueError, match="1 values cannot be paired with 2"):
        wilcoxon_p([1.0], [1.0, 2.0])


@pytest.mark.parametrize(
    ("alpha", "q"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_critical_difference_has_demsars_q(alpha: float, q: list[float]) -> None:
    for k, expected in enumerate(q, start=2):
        assert critical_difference(k, 10, alpha) == pytest.approx(expected * (k * (k + 1) / 60) ** 0.5, rel=5e-4)


@pytest.mark.parametrize("alpha", [0.5, 0.05, 1e-3])
def test_critical_difference_has_scipys_studentized_range(alpha: float) -> None:
    for k in (2, 5, 40):
        q = float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / 2**0.5
        assert critical_difference(k, 10, alpha) == pytest.approx(q * (k * (k + 1) / 60) ** 0.5, rel=1e-9)


def test_critical_differences_of_demsars_example() -> None:
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=5e-3)
    assert critical_difference(4, 14, 0.1) == pytest.approx(1.12, abs=5e-3)
    for methods, tasks, alpha in ((1, 14, 0.05), (4, 0, 0.05), (4, 14, 0.0), (4, 14, 5.0)):
        with pytest.raises(ValueError, match="at least 2 methods"):
            critical_difference(methods, tasks, alpha)


def test_cliques_of_demsars_example() -> None:
    # at 0.10 C4.5 is worse than +m and +m+cf, and +cf belongs to either group; at 0.05 nothing differs
    assert cliques(TABLE_6_RANKS, critical_difference(4, 14, 0.1)) == [(3, 1, 2), (2, 0)]
    assert cliques(TABLE_6_RANKS, critical_difference(4, 14)) == [(3, 1, 2, 0)]


def test_cliques_by_hand() -> None:
    assert cliques([1.0, 2.0, 3.0], cd=1.0) == []  # a difference of cd is one
    assert cliques([2.0, 1.0, 2.0], cd=0.5) == [(0, 2)]
    assert cliques([1.0], cd=5.0) == []


@pytest.mark.parametrize("seed", range(8))
def test_cliques_are_the_maximal_sets_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranks, cd = np.round(rng.uniform(1, 7, 7), 1), 1.23
    near = [
        set(group) for size in range(2, 8) for group in combinations(range(7), size) if np.ptp(ranks[list(group)]) < cd
    ]
    maximal = [group for group in near if not any(group < other for other in near)]
    found = cliques(ranks, cd)
    assert sorted(map(sorted, found)) == sorted(map(sorted, maximal))
    assert all(list(ranks[list(group)]) == sorted(ranks[list(group)]) for group in found)
    assert [min(ranks[list(group)]) for group in found] == sorted(min(ranks[list(group)]) for group in found)
