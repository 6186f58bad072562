from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from prunebench.reports.analysis.answers import find_answers
from prunebench.reports.figures.causes import GAINED, LOST, causes_drawing
from prunebench.reports.figures.drawing import Drawing

Rows = Callable[..., dict[str, dict[str, Any]]]


def test_a_bar_runs_from_the_comparison_to_the_criterion(
    drawings: dict[str, Drawing], tables: dict[str, pd.DataFrame], rows_of: Rows
) -> None:
    answer = find_answers(tables["summary"], tables["differences"])[0]
    rows = rows_of(drawings["causes"])
    bar = next(row for row in rows.values() if row["label"] == "choice of units")
    summary = tables["summary"].set_index(["ranking", "keep", "criterion"])["accuracy_finetuned"]
    assert bar["x"] == pytest.approx(100 * summary["local", answer.keep, answer.named])
    reference = "shuffle:taylor" if answer.named == "taylor" else "random"
    assert bar["start"] == pytest.approx(100 * summary["local", answer.keep, reference])


def test_bars_come_in_order_and_are_coloured_by_sign(drawings: dict[str, Drawing], rows_of: Rows) -> None:
    rows = list(rows_of(drawings["causes"]).values())
    assert [row["label"] for row in rows] == ["extra training alone", "pruning", "choice of units", "inherited weights"]
    for row in rows:
        assert row["colour"] == (GAINED if row["x"] >= row["start"] else LOST)
        assert row["interval"][0] in "+-"
        assert row["opacity"] == (0.35 if row["low"] <= row["start"] <= row["high"] else 0.9)


def test_another_ranking_has_the_bar_of_allocation(drawings: dict[str, Drawing], rows_of: Rows) -> None:
    labels = [row["label"] for row in rows_of(drawings["causes"], 1).values()]
    assert "allocation" in labels and "extra training alone" in labels


def test_no_control_was_run() -> None:
    assert causes_drawing(pd.DataFrame(columns=["n", "cause"]), pd.DataFrame(), []) is None
