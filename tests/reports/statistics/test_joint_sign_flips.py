from collections.abc import Sequence
from itertools import product
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics import joint_sign_flips as module
from prunebench.reports.statistics.joint_sign_flips import joint_sign_flips
from prunebench.reports.statistics.permutation import sign_flip


def by_definition(d: Sequence[Sequence[float | None]], groups: Sequence[str], pooled: bool) -> list[float]:
    """In plain Python: every sign vector, every contrast, one step of Westfall and Young after another."""
    known = [[x for x in row if x is not None] for row in d]
    square = [sum(x * x for x in row) / len(row) for row in known]
    v = square
    if pooled:
        members = [[square[k] for k in range(len(d)) if groups[k] == group] for group in groups]
        v = [(own + sum(all_) / len(all_)) / 2 for own, all_ in zip(square, members, strict=True)]

    def statistic(contrast: int, signs: Sequence[int]) -> float:
        total = sum(sign * x for sign, x in zip(signs, d[contrast], strict=True) if x is not None)
        return abs(total) / sqrt(len(known[contrast]) * v[contrast]) if v[contrast] else 0.0

    seeds = len(d[0])
    observed = [statistic(m, [1] * seeds) for m in range(len(d))]
    left = sorted(range(len(d)), key=lambda m: -observed[m])
    p, before = [0.0] * len(d), 0.0
    while left:
        reached = sum(
            max(statistic(m, signs) for m in left) >= observed[left[0]] - 1e-9
            for signs in product((1, -1), repeat=seeds)
        )
        before = p[left[0]] = max(before, reached / 2**seeds)
        left = left[1:]
    return p


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("case", range(6))
def test_against_plain_python(case: int, pooled: bool) -> None:
    rng = np.random.default_rng(case)
    d = rng.standard_normal((4, 7)) * [[1.0], [5.0], [0.2], [1.0]] + [[1.5], [0.0], [0.1], [0.0]]
    d = np.round(d, 1) if case % 2 else d  # rounded differences tie
    d[rng.random(d.shape) < (0.2 if case > 2 else 0.0)] = np.nan
    groups = ["half", "half", "quarter", "quarter"]
    plain = [[None if np.isnan(x) else float(x) for x in row] for row in d]
    assert joint_sign_flips(d, groups, pooled=pooled) == pytest.approx(by_definition(plain, groups, pooled), abs=1e-12)


def test_by_hand() -> None:
    # v of both is 1: of four flips one gives the first the sum 3, another gives it to the second; 1 is always reached
    assert joint_sign_flips([[1.0, 1.0, 1.0], [1.0, 1.0, -1.0]], ["a", "a"]) == [0.5, 1.0]
    assert joint_sign_flips([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], ["a", "a"]) == [0.25, 0.25]
    # q = 1 and 4 share the group: v = 1.75 and 3.25, statistics 3 / sqrt(5.25) = 1.31 and 6 / sqrt(9.75) = 1.92
    d = [[1.0, 1.0, 1.0], [2.0, 2.0, -2.0]]
    assert joint_sign_flips(d, ["a", "a"]) == [0.5, 1.0]  # the flip that makes the second 1.92 exceeds the first's 1.31
    assert joint_sign_flips(d, ["a", "b"]) == [0.5, 1.0]  # v = q: that flip makes both sqrt(3)


def test_scalings_differ_where_spreads_differ() -> None:
    d = [[1.0, 1.1, 0.9, 1.0, 1.1, 1.0], [9.0, -8.0, 7.0, -9.0, 8.0, 9.0]]
    pooled, own = joint_sign_flips(d, ["a", "a"]), joint_sign_flips(d, ["a", "a"], pooled=False)
    assert own[0] == 2 / 64 < pooled[0]  # the small spread of the first may be chance
    assert joint_sign_flips(d, ["a", "b"]) == own  # groups of one have nothing to pool


@pytest.mark.parametrize("pooled", [True, False])
def test_the_largest_statistic_against_scipy(pooled: bool) -> None:
    d = np.random.default_rng(3).standard_normal((5, 8)) + np.array([[1.2], [0.0], [0.0], [0.3], [0.0]])
    square = (d * d).mean(axis=1)
    v = (square + square.mean()) / 2 if pooled else square

    def highest(signs: np.ndarray) -> float:
        return float((np.abs(d @ signs) / np.sqrt(v)).max())

    found = stats.permutation_test(
        (np.ones(8),), highest, permutation_type="samples", alternative="greater", n_resamples=np.inf, vectorized=False
    )
    assert min(joint_sign_flips(d, [0] * 5, pooled=pooled)) == pytest.approx(found.pvalue)


@pytest.mark.parametrize("n", [1, 2, 6, 10, 13])
def test_one_contrast_is_the_sign_flip_test(n: int) -> None:
    rng = np.random.default_rng(n)
    for d in (rng.standard_normal(n) + 0.5, np.round(rng.standard_normal(n), 0), np.zeros(n)):
        assert joint_sign_flips([d], ["a"]) == pytest.approx([sign_flip(d).p])


def test_the_order_of_contrasts_and_seeds_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    d, groups = np.round(rng.standard_normal((6, 9)), 1) + 0.4, np.array([*"aabbba"])
    d[2] = d[0]  # equal statistics
    p = np.array(joint_sign_flips(d, groups.tolist()))
    for _ in range(5):
        rows, seeds = rng.permutation(6), rng.permutation(9)
        assert joint_sign_flips(d[rows][:, seeds], groups[rows].tolist()) == pytest.approx(p[rows].tolist())
    assert joint_sign_flips(-1e-3 * d, groups.tolist()) == pytest.approx(p.tolist())


def test_p_rises_as_the_statistic_falls_and_grows_with_the_family() -> None:
    d = np.random.default_rng(5).standard_normal((12, 8)) + 0.6
    p = joint_sign_flips(d, ["a"] * 12, pooled=False)
    t = np.abs(d.sum(axis=1)) / np.sqrt((d * d).sum(axis=1))
    assert [p[m] for m in np.argsort(-t)] == sorted(p)
    assert all(alone <= joint for alone, joint in zip([sign_flip(row).p for row in d], p, strict=True))


def test_a_missing_pair_is_left_out_and_others_count() -> None:
    d = np.random.default_rng(2).standard_normal((1, 9)) + 0.7
    holed = np.insert(d, 4, np.nan, axis=1)
    assert joint_sign_flips(holed, ["a"]) == joint_sign_flips(d, ["a"])
    short = [[2.0, 2.1, np.nan, np.nan, np.nan, np.nan], [2.0, 2.1, 1.9, 2.0, 2.2, 1.8]]
    p = joint_sign_flips(short, ["a", "a"])
    assert p[1] == 2 / 64 and p[0] >= 0.5  # two pairs: half of the flips reach them


def test_seeds_beyond_the_enumeration_are_drawn_and_never_give_zero() -> None:
    d = np.random.default_rng(1).standard_normal((3, 14)) + np.array([[0.8], [0.3], [0.0]])
    exact, drawn = joint_sign_flips(d, [0] * 3), joint_sign_flips(d, [0] * 3, most=4_000)
    assert drawn == pytest.approx(exact, abs=0.03) and drawn != exact
    assert joint_sign_flips(d, [0] * 3, most=4_000) == drawn
    assert joint_sign_flips([np.ones(40)], [0], most=1_000) == [1 / 1_000]  # the observed signs alone
    twenty = np.arange(1.0, 21.0)
    assert joint_sign_flips([twenty], [0]) == [2.0**-19]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    d = np.random.default_rng(1).standard_normal((5, 11)) + 0.5
    whole, drawn = joint_sign_flips(d, [0] * 5), joint_sign_flips(d, [0] * 5, most=500)
    monkeypatch.setattr(module, "BLOCK", 35 * 11)
    monkeypatch.setattr(module, "DRAWN", 35)
    assert max(part.size for part in module._signed_sums(d, 2**19)) == 35
    assert joint_sign_flips(d, [0] * 5) == whole
    assert joint_sign_flips(d, [0] * 5, most=500) == pytest.approx(drawn, abs=0.1)


def test_ties_that_round_differently_count() -> None:
    d = [[0.1, 0.2, 0.3, -0.1, -0.2], [0.1, 0.2, 0.3, 0.1, 0.2]]  # 0.1 + 0.2 is not 0.3
    assert joint_sign_flips(d, ["a", "b"]) == joint_sign_flips((10 * np.array(d)).round(), ["a", "b"])
    assert joint_sign_flips(np.zeros((2, 6)), ["a", "a"]) == [1.0, 1.0]


def test_what_is_refused() -> None:
    for wrong in ([1.0, 2.0], [[]], [[1.0, np.inf]], [[np.nan, np.nan]]):
        with pytest.raises(ValueError, match=r"needed|finite"):
            joint_sign_flips(wrong, ["a"])
    with pytest.raises(ValueError, match="a group for each contrast"):
        joint_sign_flips([[1.0]], [])
