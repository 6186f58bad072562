"""Plans under a budget, worked by hand."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prunebench.choosing import budget
from prunebench.choosing.budget import Estimate, fitting_plan, make_plan, read_duration
from prunebench.errors import UserError

Make = Callable[..., Any]
FIELD = tuple("abcdefgh")
NAMES = (*FIELD, "magnitude", "random")
# on each seed: 10 s dense, 1 s a trial, 2 s a point; h is the costliest
RACE = {name: {"dense": 10.0, name: 1.0 + 4 * (name == "h")} for name in NAMES}
CONFIRMATION = {name: {"dense": 10.0, name: 2.0 + 4 * (name == "h")} for name in NAMES}
ESTIMATE = Estimate(RACE, CONFIRMATION)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("1h0m30s", 3630), ("45s", 45), (" 1.5h ", 5400)],
)
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "2 hours", "30m1h", "-1h", "1h1h", "nan", "infh", "²h", "1,5h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--budget .*: not a time above zero; give .* such as 2h, 90m or 1h30m$"):
        read_duration(text)


def test_the_most_that_a_plan_takes() -> None:
    plan = ESTIMATE.plan(FIELD, 2, 8)
    # round 1: 2 seeds x (10 + 7 + 5); round 2, four with h: 2 x (10 + 3 + 5)
    # confirmation: 8 x (10 + 2 + 2 + 6 + 2 + 2)
    assert plan.seconds == 2 * 22 + 2 * 18 + 8 * 24
    assert plan.trajectories == 8 * 2 + 4 * 2 + 5 * 8
    free = ESTIMATE.plan(FIELD, None, None)  # 3 seeds each, 10 in the confirmation
    assert free.seconds == 3 * 22 + 3 * 18 + 10 * 24 and free.trajectories == 24 + 12 + 50
    assert free.confirmation_seeds(wide=False) == tuple(range(8)) and len(free.confirmation_seeds(wide=True)) == 10
    assert plan.confirmation_seeds(wide=True) == tuple(range(8))


@pytest.mark.parametrize(
    ("seconds", "criteria", "seeds", "confirm"),
    [
        (None, 8, None, None),
        (360, 8, None, None),
        (359, 8, 2, 8),  # 272
        (271, 8, 2, 6),  # 44 + 36 + 6 * 24 = 224
        (223, 7, 2, 8),  # without h: 2 * 17 + 2 * 14 + 8 * 20 = 222
        (96, 1, 2, 6),  # no race, 6 x (10 + 2 + 2 + 2)
    ],
)
def test_a_budget_takes_seeds_first_then_criteria(
    seconds: float | None, criteria: int, seeds: int | None, confirm: int | None
) -> None:
    if seconds == 72:
        with pytest.raises(
            UserError, match=r"--budget of 1 min 12 s: one criterion .* 6 seeds, take about 1 min 36 s;"
        ):
            fitting_plan(ESTIMATE, FIELD, seconds)
        return
    plan = fitting_plan(ESTIMATE, FIELD, seconds)
    assert (plan.criteria, plan.seeds, plan.confirm) == (FIELD[:criteria], seeds, confirm)
    assert seconds is None or plan.seconds <= seconds


def test_a_budget_for_nothing_is_refused_with_the_least_that_is_needed() -> None:
    with pytest.raises(UserError, match=r"of 1 min 12 s: one criterion .* 6 seeds, take about 1 min 36 s; give"):
        fitting_plan(ESTIMATE, FIELD, 72)


def test_a_plan_under_a_budget_stays_whatever_the_machine_does_later(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny(tmp_path, keep="0.5")
    monkeypatch.setattr(budget, "estimated", lambda *_: ESTIMATE)
    assert make_plan(spec, FIELD, "224s", keep_it=False).confirm == 6
    assert not (tmp_path / "choices").exists()
    first = make_plan(spec, FIELD, "224s", keep_it=True)
    slow = {name: {key: 9 * took for key, took in stages.items()} for name, stages in CONFIRMATION.items()}
    monkeypatch.setattr(budget, "estimated", lambda *_: Estimate(RACE, slow))
    assert make_plan(spec, FIELD, "224s", keep_it=True) == first
    with pytest.raises(UserError, match="give more time"):
        make_plan(spec, FIELD, "225s", keep_it=True)
    with pytest.raises(UserError, match="give more time"):
        make_plan(tiny(tmp_path, keep="0.4"), FIELD, "224s", keep_it=True)
