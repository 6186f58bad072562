from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from prunebench.reports.figures.drawing import Drawing
from prunebench.reports.figures.forest import Line, _domain, forest_drawing
from prunebench.reports.results import gather_results

Rows = Callable[..., dict[str, dict[str, Any]]]


def test_each_criterion_has_its_difference_interval_and_verdict(drawings: dict[str, Drawing], rows_of: Rows) -> None:
    rows = rows_of(drawings["forest"])
    words = next(text for text in rows if text.startswith("taylor, keep 0.5: "))
    assert words.endswith("better") and " points" in words and "[+" in words
    row = rows[words]
    assert row["low"] < row["x"] < row["high"] and row["fill"] != "none"


def test_controls_are_turned_round_hollow_and_below_the_criteria(drawings: dict[str, Drawing], rows_of: Rows) -> None:
    rows = rows_of(drawings["forest"])
    control = next(row for text, row in rows.items() if text.startswith("random, keep 0.5: -"))
    method = next(row for text, row in rows.items() if text.startswith("taylor, keep 0.5: "))
    assert control["fill"] == "none" and control["py"] > method["py"]
    assert not any(text.startswith("magnitude") for text in rows)


def test_a_mark_beyond_the_axis_is_an_arrow_at_the_edge_with_its_number() -> None:
    base = {"task": "t", "ranking": "local", "metric": "macs", "keep": 0.5, "reference": "magnitude", "n": 5}
    base |= {"primary": True, "verdict": "worse", "on_these_pictures": False, "ties": 0}
    differences = {"obd": 0.001, "l1": 0.002, "l0": 0.001, "l2": 0.001, "admm": -0.6}
    table = pd.DataFrame(
        [base | {"criterion": c, "difference": d, "low": d - 0.001, "high": d + 0.001} for c, d in differences.items()]
    )
    drawing = forest_drawing(table, 0.005)
    assert drawing is not None
    layers = drawing.charts[0][1]["layer"]
    points = next(one for one in layers if one["mark"]["type"] == "point")
    row = next(row for row in points["data"]["values"] if row["words"].startswith("admm"))
    assert row["shape"] == "triangle-left" and row["x"] == points["encoding"]["x"]["scale"]["domain"][0]
    assert any(value.get("text") == "-60.00" for one in layers for value in one["data"]["values"])


@pytest.mark.parametrize("means", [[0.1, 0.2], [-30.0, 5.0], [0.0, 0.0], [40.0, 41.0]])
def test_the_axis_holds_zero_the_margin_and_the_middle_criteria(means: list[float]) -> None:
    lines = [Line("obd", mean, mean - 1, mean + 1, False, "") for mean in means]
    low, high = _domain(lines, 0.5)
    assert low < -0.5 and high > 0.5
    assert all(low <= mean <= high for mean in means)


def test_nothing_was_compared(make: SimpleNamespace) -> None:
    for records in ([], [make.record("obd")]):
        assert forest_drawing(make.tables(gather_results("x", records))["differences"], 0.005) is None
