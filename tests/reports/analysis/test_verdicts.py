from typing import Any

import pytest

from prunebench.reports.analysis.verdicts import (
    BETTER,
    NO_PAIRS,
    OPEN,
    OTHER_BUDGET,
    TIED,
    TOO_FEW,
    WORSE,
    add_holm,
    judge_families,
)


def contrast(p: float, n: int = 10, **changes: Any) -> dict[str, Any]:
    row = {"ranking": "local", "primary": True, "n": n, "p": p, "smallest_p": 2.0 ** (1 - n)}
    return row | {"difference": 0.01, "keep_gap": 0.0} | changes


def test_holm_within_the_family_by_hand() -> None:
    rows = judge_families(
        [contrast(0.01), contrast(0.04, difference=-0.01), contrast(0.02), contrast(0.001, primary=False)]
    )
    assert [row.get("p_holm") for row in rows] == [pytest.approx(0.03), pytest.approx(0.04), pytest.approx(0.04), None]
    assert [row["family"] for row in rows[:3]] == [3, 3, 3]
    assert [row.get("verdict") for row in rows] == [BETTER, WORSE, BETTER, None]


def test_rankings_are_families_of_their_own() -> None:
    rows = judge_families([contrast(0.03), contrast(0.04), contrast(0.03, ranking="global")])
    assert [row["p_holm"] for row in rows] == [0.06, 0.06, 0.03]
    assert [row["verdict"] for row in rows] == [OPEN, OPEN, BETTER]


def test_a_design_that_cannot_decide_says_so() -> None:
    # six seeds: the smallest p is 1/32; alone it can reject, two under Holm cannot
    assert judge_families([contrast(1 / 32, 6)])[0]["verdict"] == BETTER
    assert [row["verdict"] for row in judge_families([contrast(1 / 32, 6), contrast(1 / 32, 6)])] == [TOO_FEW, TOO_FEW]
    assert judge_families([contrast(0.5, 6)])[0]["verdict"] == OPEN


def test_ties_are_not_too_few_seeds() -> None:
    few, tied = contrast(0.5, 20, smallest_p=0.25), contrast(1.0, 20, smallest_p=1.0)
    assert [row["verdict"] for row in judge_families([few, tied, contrast(0.3, 20)])] == [TIED, TIED, OPEN]
    assert judge_families([contrast(1.0, 5, smallest_p=1.0)])[0]["verdict"] == TOO_FEW


def test_the_smallest_p_is_that_of_holms_steps() -> None:
    # 1/32 is doubled as one of two, unless the other one goes first and is rejected
    rows = judge_families([contrast(0.5, 6), contrast(0.5, 10)])
    assert [row["smallest_holm"] for row in rows] == [1 / 32, 2 / 512]
    assert [row["verdict"] for row in rows] == [OPEN, OPEN]


def test_what_is_not_tested() -> None:
    single = {"ranking": "local", "primary": True, "n": 1, "difference": 0.1, "keep_gap": 0.0}
    none = {"ranking": "local", "primary": True, "n": 0}
    rows = judge_families([single, none, contrast(0.002, keep_gap=-0.05), contrast(0.04)])
    assert [row["verdict"] for row in rows] == [TOO_FEW, NO_PAIRS, OTHER_BUDGET, BETTER]
    assert rows[3]["family"] == 2  # other budgets stay in: the family follows from what was asked


def test_correct_takes_the_p_it_is_told() -> None:
    rows: list[dict[str, Any]] = [{"p_worse": 0.01}, {}, {"p_worse": 0.03}]
    add_holm(rows, "p_worse")
    assert [row.get("p_holm") for row in rows] == [0.02, None, 0.03]
