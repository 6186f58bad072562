from itertools import combinations, permutations

import numpy as np
import pytest

from prunebench.reports.statistics.agreement import lowest_count, lowest_overlap, rank_agreement, reachable_correlation


def by_hand(x: list[float], y: list[float]) -> tuple[float, float, float]:
    """Spearman, Kendall and the weighted tau from their definitions, without ties."""
    n = len(x)
    rank = [[sorted(v).index(a) for a in v] for v in (x, y)]
    rho = 1 - 6 * sum((a - b) ** 2 for a, b in zip(*rank, strict=True)) / (n * (n * n - 1))
    sign = [np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in combinations(range(n), 2)]
    weighted = []
    for ranks in rank:  # hyperbolic additive weights by either order; the lowest has rank zero
        weight = [1 / (1 + ranks[i]) + 1 / (1 + ranks[j]) for i, j in combinations(range(n), 2)]
        weighted.append(np.dot(weight, sign) / sum(weight))
    return rho, float(np.mean(sign)), float(np.mean(weighted))


@pytest.mark.parametrize("order", list(permutations([1.0, 2.0, 4.0, 7.0])))
def test_the_definitions(order: tuple[float, ...]) -> None:
    found = rank_agreement([1.0, 2.0, 4.0, 7.0], order)
    assert found is not None
    assert (found.spearman, found.kendall, found.weighted) == pytest.approx(by_hand([1.0, 2.0, 4.0, 7.0], list(order)))
    assert found.lowest == (order[0] == 1.0)


def test_the_weighted_tau_punishes_mistakes_among_the_lowest() -> None:
    truth = np.arange(10.0)
    low, high = truth.copy(), truth.copy()
    low[[0, 1]], high[[8, 9]] = low[[1, 0]], high[[9, 8]]
    one, other = rank_agreement(truth, low), rank_agreement(truth, high)
    assert one is not None and other is not None
    assert one.kendall == other.kendall and one.weighted < other.weighted


def test_perfect_reversed_and_random() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=64)
    perfect, turned = rank_agreement(truth, np.exp(truth)), rank_agreement(truth, -truth)
    assert perfect is not None and turned is not None
    assert (perfect.spearman, perfect.kendall, perfect.weighted, perfect.lowest) == (1, 1, 1, 1)
    assert (turned.spearman, turned.kendall, turned.weighted, turned.lowest) == (-1, -1, -1, 0)
    draws = [rank_agreement(truth, rng.random(64)) for _ in range(400)]
    means = np.mean([[d.spearman, d.kendall, d.weighted, d.lowest] for d in draws if d is not None], axis=0)
    assert np.abs(means - [0, 0, 0, 0.25]).max() < 0.02


def test_the_same_number_for_all_orders_nothing() -> None:
    assert rank_agreement([1.0, 2.0, 3.0], [0.5, 0.5, 0.5]) is None
    assert rank_agreement([0.5, 0.5, 0.5], [1.0, 2.0, 3.0]) is None


def test_ties_are_broken_at_random_in_expectation() -> None:
    truth, tied = np.arange(12.0), np.array([0.0] * 5 + [1.0] * 7)
    rng = np.random.default_rng(0)
    drawn = [lowest_overlap(truth, tied + 0.5 * rng.random(12)) for _ in range(4000)]
    assert lowest_overlap(truth, tied) == pytest.approx(3 / 5)
    assert np.mean(drawn) == pytest.approx(3 / 5, abs=0.02)
    assert lowest_count(12) == 3


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_what_is_reachable_by_simulation(noise: float) -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=20_000)
    one, other = (truth + noise * rng.normal(size=20_000) for _ in range(2))
    halves, whole = rank_agreement(one, other), rank_agreement((one + other) / 2, truth)
    assert halves is not None and whole is not None
    assert whole.spearman > halves.spearman
    assert reachable_correlation(halves.spearman) == pytest.approx(whole.spearman, abs=0.02)


@pytest.mark.parametrize(("truth", "scores"), [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, 2.0], [1.0, np.nan])])
def test_what_cannot_be_compared(truth: list[float], scores: list[float]) -> None:
    with pytest.raises(ValueError, match="needed"):
        rank_agreement(truth, scores)
