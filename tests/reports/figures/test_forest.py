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


def _table(differences: dict[str, tuple[float, float]]) -> pd.DataFrame:
    """One task at one keep, with a mean and half of an interval, in points, of each criterion or control."""
    base: dict[str, Any] = {"task": "t", "ranking": "local", "metric": "macs", "keep": 0.5, "n": 5}
    base |= {"verdict": "worse", "on_these_pictures": False, "ties": 0}
    rows = []
    for name, (mean, half) in differences.items():
        control, sign = name == "random", -1 if name == "random" else 1
        pair = {"criterion": "magnitude" if control else name, "reference": name if control else "magnitude"}
        ends = {"low": (sign * mean - half) / 100, "high": (sign * mean + half) / 100}
        rows.append(base | pair | ends | {"primary": not control, "difference": sign * mean / 100})
    return pd.DataFrame(rows)


def _layers(drawing: Drawing | None) -> tuple[list[Any], Any, tuple[float, float]]:
    """Give all layers, that of the marks, and the limits of the axis."""
    assert drawing is not None
    layers = drawing.charts[0][1]["layer"]
    points = next(one for one in layers if one["mark"]["type"] == "point")
    return layers, points, tuple(points["encoding"]["x"]["scale"]["domain"])


def _heads(layers: list[Any]) -> set[tuple[str, str, float]]:
    """Give criterion, shape and place of every arrowhead."""
    small = [one for one in layers if one["mark"]["type"] == "point" and one["mark"]["size"] < 30]
    rows = [row for one in small for row in one["data"]["values"]]
    return {(row["words"].partition("|")[0], row["shape"], row["x"]) for row in rows}


NEAR = {"obd": (0.1, 0.1), "l1": (0.2, 0.1), "l0": (0.1, 0.1), "l2": (0.1, 0.1)}


def test_a_mark_beyond_the_axis_is_an_arrow_at_the_edge_with_its_number() -> None:
    layers, points, (left, _) = _layers(forest_drawing(_table({**NEAR, "admm": (-60.0, 0.1)}), 0.005))
    row = next(row for row in points["data"]["values"] if row["words"].startswith("admm"))
    assert row["shape"] == "triangle-left" and row["x"] == left
    assert any(value.get("text") == "-60.00" for one in layers for value in one["data"]["values"])
    assert not _heads(layers)


def test_intervals_that_the_axis_cuts_end_in_arrowheads() -> None:
    drawing = forest_drawing(_table({**NEAR, "hrank": (0.1, 90.0), "random": (-0.2, 50.0)}), 0.005)
    layers, _, (left, right) = _layers(drawing)
    ends = (("triangle-left", left), ("triangle-right", right))
    assert _heads(layers) == {(name, *end) for name in ("hrank", "random") for end in ends}


def test_no_interval_strikes_through_the_number_of_a_control_beyond_the_axis() -> None:
    drawing = forest_drawing(_table({**NEAR, "random": (-40.0, 90.0)}), 0.005)
    assert drawing is not None
    layers, _, (left, right) = _layers(drawing)
    lines = next(one for one in layers if one["mark"]["type"] == "rule" and one["mark"].get("clip"))
    line = next(row for row in lines["data"]["values"] if row["words"].startswith("random"))
    pixels = (line["low"] - left) / (right - left) * drawing.charts[0][1]["width"]
    number = next(row for one in layers for row in one["data"]["values"] if row.get("text") == "-40.00")
    assert number["align"] == "left" and pixels > number["px"] + 6 * len("-40.00")
    assert _heads(layers) == {("random", "triangle-right", right)}


def test_a_demonstration_has_hollow_marks_and_no_verdict() -> None:
    drawing = forest_drawing(_table({**NEAR, "random": (-1.0, 0.5)}), 0.005, demonstration=True)
    _, points, _ = _layers(drawing)
    assert drawing is not None and "demonstration" in drawing.title and "better" not in drawing.title
    assert {row["fill"] for row in points["data"]["values"]} == {"none"}
    assert not any(word in row["words"] for row in points["data"]["values"] for word in ("better", "worse"))


@pytest.mark.parametrize("means", [[0.1, 0.2], [-30.0, 5.0], [0.0, 0.0], [40.0, 41.0]])
def test_the_axis_holds_zero_the_margin_and_the_middle_criteria(means: list[float]) -> None:
    lines = [Line("obd", mean, mean - 1, mean + 1, False, "") for mean in means]
    low, high = _domain(lines, 0.5)
    assert low < -0.5 and high > 0.5
    assert all(low <= mean <= high for mean in means)


def test_nothing_was_compared(make: SimpleNamespace) -> None:
    for records in ([], [make.record("obd")]):
        assert forest_drawing(make.tables(gather_results("x", records))["differences"], 0.005) is None
