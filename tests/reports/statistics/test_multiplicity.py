from itertools import combinations

import numpy as np
import pytest

from prunebench.reports.statistics.multiplicity import holm


def closed_testing(p: list[float]) -> list[float]:
    """Holm's procedure as the closure of Bonferroni tests: of all sets that hold i, the largest Bonferroni p."""
    sets = [group for size in range(1, len(p) + 1) for group in combinations(range(len(p)), size)]
    return [max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in range(len(p))]


def step_down(p: list[float], alpha: float) -> set[int]:
    """Give whom Holm rejects, in his own words: go up from the smallest until one exceeds alpha / (m - i + 1)."""
    rejected: set[int] = set()
    for i in sorted(range(len(p)), key=lambda i: p[i]):
        if p[i] * (len(p) - len(rejected)) > alpha:
            break
        rejected.add(i)
    return rejected


def test_by_hand() -> None:
    # times 4, 3, 2, 1: .04, .06, .06, .05; the last is lifted to the one before it
    assert holm([0.01, 0.02, 0.03, 0.05]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.05, 0.02, 0.01, 0.03]) == pytest.approx([0.06, 0.06, 0.04, 0.06])
    assert holm([0.3]) == [0.3]
    assert holm([0.6, 0.7, 0.0]) == [1.0, 1.0, 0.0]
    assert holm([]) == []


def test_ties_share_the_larger() -> None:
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert holm([0.5, 0.01, 0.01]) == pytest.approx([0.5, 0.03, 0.03])


@pytest.mark.parametrize("seed", range(10))
def test_it_is_the_closure_of_bonferroni_and_the_step_down_procedure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = np.round(rng.uniform(0, 0.3, 1 + seed % 8), 1 + seed % 3).tolist()  # rounded: ties
    adjusted = holm(p)
    assert adjusted == pytest.approx(closed_testing(p))
    for alpha in rng.uniform(0, 1, 20):
        assert {i for i, value in enumerate(adjusted) if value <= alpha} == step_down(p, alpha)


def test_the_family_errs_no_more_than_alpha() -> None:
    p = np.random.default_rng(0).uniform(size=(4_000, 5))
    assert np.mean([min(holm(row)) <= 0.05 for row in p.tolist()]) == pytest.approx(1 - 0.99**5, abs=0.01)


@pytest.mark.parametrize("wrong", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_p_lies_between_zero_and_one(wrong: float) -> None:
    with pytest.raises(ValueError, match=f"between 0 and 1, not {wrong}"):
        holm([0.5, wrong])
