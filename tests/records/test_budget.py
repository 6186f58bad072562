"""Budgets: what may be typed behind `--keep`, and what is refused."""

import math

import pytest

from prunebench.errors import UserError
from prunebench.records.budget import Budget, Keep, parse_budget
from prunebench.records.names import Metric


@pytest.mark.parametrize(
    ("text", "metric", "keeps"),
    [
        ("macs=0.5,0.25", "macs", (0.5, 0.25)),
        ("0.5,.25", "macs", (0.5, 0.25)),
        ("params=1", "params", (1.0,)),
        ("units = 1e-1", "units", (0.1,)),
    ],
)
def test_keeps(text: str, metric: Metric, keeps: tuple[float, ...]) -> None:
    assert parse_budget(text) == Budget(metric, keeps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", r"0 is outside \(0, 1\]"),
        ("macs=0.5,1.5", r"1.5 is outside \(0, 1\]; 0.25 keeps a quarter of the dense macs"),
        ("-0.5", r"-0.5 is outside"),
        ("nan", r"nan is outside"),
        ("mac=0.5", "unknown budget metric 'mac' in --keep mac=0.5; did you mean 'macs'"),
        ("macs=", "not a list of numbers; give fractions such as macs=0.5,0.25"),
        ("macs=half", "--keep macs=half: not a list"),
        ("0.5,0.50", "a fraction is given twice"),
    ],
)
def test_keeps_that_are_wrong(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_budget(text)


def test_two_budget_metrics_are_refused() -> None:
    with pytest.raises(UserError, match=r"--keep units=0\.5,params=0\.2: a run has one budget metric"):
        parse_budget("units=0.5,params=0.2")


def test_a_budget_is_written_as_it_is_typed_in_descending_order() -> None:
    budget = parse_budget("params=0.25,0.5")
    assert (str(budget), parse_budget(str(budget)), parse_budget(budget)) == ("params=0.5,0.25", budget, budget)
    assert budget.keeps == (Keep("params", 0.5), Keep("params", 0.25))


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5, math.nan])
def test_a_keep_is_a_fraction(fraction: float) -> None:
    with pytest.raises(UserError, match=r"is outside \(0, 1\]"):
        Keep("macs", fraction)


def test_the_metric_of_a_keep_must_exist() -> None:
    with pytest.raises(UserError, match="unknown budget metric 'mac' in a keep; did you mean 'macs'"):
        Keep("mac", 0.5)  # type: ignore[arg-type]
