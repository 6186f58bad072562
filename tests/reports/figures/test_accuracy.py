from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from prunebench.reports.figures.accuracy import _limits, accuracy_drawing
from prunebench.reports.figures.drawing import Drawing
from prunebench.reports.results import gather_results

Rows = Callable[..., dict[str, dict[str, Any]]]


def layers_of(drawing: Drawing, kind: str) -> list[dict[str, Any]]:
    return [one for one in drawing.charts[0][1]["layer"] if one["mark"]["type"] == kind]


def test_the_dense_network_stands_where_nothing_is_removed(drawings: dict[str, Drawing], rows_of: Rows) -> None:
    for name in ("accuracy", "accuracy_params"):
        words, row = next((w, r) for w, r in rows_of(drawings[name]).items() if w.startswith("dense network"))
        assert row["x"] == 1.0 and words.endswith("% accurate")
    slowest = next(r for w, r in rows_of(drawings["accuracy_ms"]).items() if w.startswith("dense network"))
    assert slowest["x"] == pytest.approx(20.0)


def test_the_dense_network_is_that_of_most_seeds(make: SimpleNamespace, rows_of: Rows) -> None:
    records = [make.record("taylor", 0), make.record("magnitude", 0), make.record("magnitude", 1)]
    for record, dense in zip(records, (0.5, 0.5, 0.9), strict=True):
        record.accuracy.__dict__["dense"] = dense
    drawing = accuracy_drawing(make.summary(gather_results("x", records)))
    assert drawing is not None
    (words,) = (text for text in rows_of(drawing) if text.startswith("dense network"))
    assert "70.00 % accurate" in words


def test_descriptions_tell_accuracies_and_no_errors(drawings: dict[str, Drawing], rows_of: Rows) -> None:
    words = next(text for text in rows_of(drawings["accuracy"]) if text.startswith("taylor, keep 0.5"))
    assert words.startswith("taylor, keep 0.5: 9") and words.endswith("% kept")


def test_dense_continued_is_a_level_and_no_point(drawings: dict[str, Drawing], rows_of: Rows) -> None:
    assert not any(text.startswith("dense_continued") for text in rows_of(drawings["accuracy"]))
    levels = [one for one in layers_of(drawings["accuracy"], "rule") if "strokeDash" in one["mark"]]
    assert len(levels) == 1 and "x" not in levels[0]["encoding"]


def test_controls_alone_are_dashed(drawings: dict[str, Drawing]) -> None:
    (line,) = layers_of(drawings["accuracy"], "line")
    dashed = {row["criterion"] for row in line["data"]["values"] if row["dash"] != [1, 0]}
    assert dashed == {"random", "shuffle:taylor", "scratch:magnitude"}


def test_bands_are_known_by_their_word(drawings: dict[str, Drawing], page_text: Callable[..., str]) -> None:
    text = page_text(drawings["accuracy"])
    for criterion in ("magnitude", "taylor", "random"):
        assert text.count(f'<path data-criterion="{criterion}"') >= 2
    assert text.count(' data-band=""') == 6 and "<title>band</title>" not in text


def test_every_line_and_panel_is_named(drawings: dict[str, Drawing], page_text: Callable[..., str]) -> None:
    first, second = (page_text(drawings["accuracy"], number) for number in (0, 1))
    for word in ("magnitude", "taylor", "dense_continued", ">dense<", "MACs kept", "local ranking"):
        assert word in first
    assert "global ranking" in second


def test_a_lone_panel_has_no_title(make: SimpleNamespace) -> None:
    drawing = accuracy_drawing(make.summary(gather_results("x", make.grid(("magnitude",), (0, 1)))))
    assert drawing is not None and "title" not in drawing.charts[0][1]


def test_nothing_to_draw(make: SimpleNamespace, tables: dict[str, pd.DataFrame]) -> None:
    assert accuracy_drawing(make.summary(gather_results("x", [make.failure()]))) is None
    assert accuracy_drawing(tables["summary"].drop(columns="pruned_ms"), "ms") is None


def test_the_dense_network_is_on_the_axis_however_much_better_it_is() -> None:
    rows = [{"y": error, "low": error, "high": error, "dense": 0.05} for error in (0.4, 0.8)]
    low, high = _limits(rows)
    assert low <= 0.05 and high >= 0.8


def test_a_level_above_all_is_on_the_axis() -> None:
    rows = [{"y": error, "low": error, "high": error, "dense": 0.3} for error in (0.4, 0.8)]
    assert _limits(rows, [0.05])[0] <= 0.05


def test_single_weights_are_drawn_against_weights_and_not_against_parameters(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude", "obd"), (0, 1))
    summary = make.summary(gather_results("x", records)).assign(metric="weights", keep_weights=0.5)
    drawing = accuracy_drawing(summary)
    assert drawing is not None and "'weights kept'" in str(drawing.charts[0][1])
    assert accuracy_drawing(summary, "params") is None
