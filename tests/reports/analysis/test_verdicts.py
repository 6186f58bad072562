from typing import Any

import numpy as np
import pytest

from prunebench.records.requested import FEWEST_SEEDS
from prunebench.reports.analysis.pairing import describe_differences
from prunebench.reports.analysis.verdicts import (
    ALPHA,
    BETTER,
    NO_PAIRS,
    OPEN,
    OTHER_BUDGET,
    TIED,
    TOO_FEW,
    WORSE,
    Contrast,
    add_holm,
    judge_families,
)
from prunebench.reports.statistics.joint_sign_flips import joint_sign_flips
from prunebench.reports.statistics.t_test_power import fewest_seeds

UP = tuple(0.01 + 0.001 * i for i in range(10))
NOISE = (0.003, -0.004, 0.002, -0.001, 0.004, -0.003, 0.001, -0.002, 0.003, -0.002)


def contrast(d: tuple[float, ...], seeds: tuple[int, ...] = (), **changes: Any) -> Contrast:
    row: dict[str, Any] = {"task": "t", "ranking": "local", "metric": "macs", "keep": 0.5, "primary": True}
    row |= {"keep_gap": 0.0} | (describe_differences(np.array(d)) if d else {"n": 0}) | changes
    return Contrast(row, dict(zip(seeds or range(len(d)), d, strict=True)))


def judged(*contrasts: Contrast) -> list[dict[str, Any]]:
    judge_families(contrasts)
    return [one.row for one in contrasts]


def test_a_family_holds_all_keeps_and_the_curve_of_a_task_and_ranking() -> None:
    whole = [contrast(UP), contrast(NOISE), contrast(NOISE[::-1], keep=0.25), contrast(UP)]
    del whole[3].row["keep"]  # the area under the curve
    others = [contrast(UP, ranking="global"), contrast(UP, task="u"), contrast(UP, primary=False)]
    rows = judged(*whole, *others)
    budgets = [("macs", 0.5), ("macs", 0.5), ("macs", 0.25), ("macs", None)]
    expected = joint_sign_flips([list(one.by_seed.values()) for one in whole], budgets)
    assert [row["p_adjusted"] for row in rows[:4]] == expected
    assert [row.get("family") for row in rows] == [4, 4, 4, 4, 1, 1, None]
    assert [row["p_adjusted"] for row in rows[4:6]] == [2 / 1024] * 2
    assert [row.get("verdict") for row in rows] == [BETTER, OPEN, OPEN, BETTER, BETTER, BETTER, None]


def test_six_seeds_decide_a_family_of_any_size_and_five_none() -> None:
    up, down = UP[:6], tuple(-x for x in UP[:6])
    rows = judged(*(contrast(d) for d in (up, down, *(NOISE[i:] + NOISE[:i] for i in range(4)))))
    assert [row["verdict"] for row in rows[:2]] == [BETTER, WORSE]
    rows = judged(contrast(up[:5]), contrast(NOISE[:5]))
    assert [row["verdict"] for row in rows] == [TOO_FEW, TOO_FEW]
    assert FEWEST_SEEDS == fewest_seeds(ALPHA) == 6


def test_seeds_are_matched_by_their_number() -> None:
    short = contrast(UP[:4], (6, 7, 8, 9))
    rows = judged(contrast(NOISE), short)
    matrix = [list(NOISE), [np.nan] * 6 + list(UP[:4])]
    assert [row["p_adjusted"] for row in rows] == joint_sign_flips(matrix, [0, 0])
    assert rows[1]["verdict"] == TOO_FEW  # its own four seeds give 1/8 at best


def test_ties_are_not_too_few_seeds() -> None:
    few = contrast((0.01, 0.02, 0.01) + (0.0,) * 7)
    rows = judged(few, contrast((0.0,) * 10), contrast(NOISE))
    assert [row["verdict"] for row in rows] == [TIED, TIED, OPEN]
    assert judged(contrast((0.0,) * 5))[0]["verdict"] == TOO_FEW


@pytest.mark.parametrize(("ends", "expected"), [((-0.001, 0.03), True), ((0.001, 0.03), False), ((0.0, 0.03), True)])
def test_what_the_pictures_may_undo_is_marked(ends: tuple[float, float], expected: bool) -> None:
    (row,) = judged(contrast(UP, crossed_low=ends[0], crossed_high=ends[1]))
    assert (row["verdict"], row["on_these_pictures"]) == (BETTER, expected)
    assert judged(contrast(NOISE, crossed_low=-0.1, crossed_high=0.1))[0]["on_these_pictures"] is False
    assert judged(contrast(UP))[0]["on_these_pictures"] is False  # without pictures nothing is known of them


def test_what_is_not_tested() -> None:
    rows = judged(contrast((0.1,)), contrast(()), contrast(UP, keep_gap=-0.05), contrast(UP))
    assert [row["verdict"] for row in rows] == [TOO_FEW, NO_PAIRS, OTHER_BUDGET, BETTER]
    assert rows[3]["family"] == 4  # all stay in: the family follows from what was asked
    assert rows[3]["p_adjusted"] == 2 * judged(contrast(UP, keep_gap=-0.05), contrast(UP))[1]["p_adjusted"]


def test_a_contrast_that_failed_makes_no_verdict_easier() -> None:
    (alone,) = judged(contrast(UP[:6]))
    assert (alone["p_adjusted"], alone["verdict"]) == (2 / 64, BETTER)
    family = [contrast(UP[:6])]
    judge_families(family, {("t", "local"): 1})
    row = family[0].row
    assert (row["family"], row["p_adjusted"], row["verdict"], row["seeds_needed"]) == (2, 4 / 64, TOO_FEW, 7)
    seven = [contrast(UP[:7])]
    judge_families(seven, {("t", "local"): 1})
    assert (seven[0].row["p_adjusted"], seven[0].row["verdict"]) == (2 / 64, BETTER)
    judge_families(family, {("t", "global"): 1})  # another family
    assert family[0].row["family"] == 1


def test_correct_takes_the_p_it_is_told() -> None:
    rows: list[dict[str, Any]] = [{"p_worse": 0.01}, {}, {"p_worse": 0.03}]
    add_holm(rows, "p_worse")
    assert [row.get("p_holm") for row in rows] == [0.02, None, 0.03]
