from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from prunebench.reports.figures.drawing import INK, Drawing
from prunebench.reports.figures.speed import SMALLEST, _touch, speed_drawing
from prunebench.reports.results import gather_results

Rows = Callable[..., dict[str, dict[str, Any]]]
SETTING = ("imaginary", "eager", 64, 1)


def test_equal_widths_are_one_dot_whose_words_list_the_criteria(drawings: dict[str, Drawing], rows_of: Rows) -> None:
    rows = rows_of(drawings["speed"])
    assert len(rows) == 2
    words, row = next((text, row) for text, row in rows.items() if "keep 0.5" in text)
    assert words.startswith("magnitude, obd, taylor, random, shuffle:taylor, scratch:magnitude, keep 0.5: measured ")
    assert row["words"].startswith("magnitude obd taylor random") and row["colour"] == INK
    assert "dense_continued" not in drawings["speed"].criteria


def test_one_criterion_has_its_own_colour_and_noise_makes_it_hollow(make: SimpleNamespace, rows_of: Rows) -> None:
    records = make.grid(("obd",), (0, 1), (0.5,))
    timings = [make.latency(r).model_copy(update={"low": 0.5, "high": 3.0}) for r in records]
    drawing = speed_drawing(make.summary(gather_results("x", records, timings)), SETTING)
    assert drawing is not None
    ((words, row),) = rows_of(drawing).items()
    assert words.endswith("unreliable") and row["fill"] == "none" and row["colour"] == "#009E73"


def test_an_interval_of_speed_that_reaches_below_zero_is_drawn(make: SimpleNamespace, rows_of: Rows) -> None:
    records = make.grid(("magnitude",), (0, 1), (0.5,))
    speeds = [make.latency(r).model_copy(update={"speedup": 1.0 + r.cell.seed}) for r in records]  # 1.5 +- 6.35
    drawing = speed_drawing(make.summary(gather_results("x", records, speeds)), SETTING)
    assert drawing is not None
    assert min(row["low"] for row in rows_of(drawing).values()) == SMALLEST


def test_an_interval_that_the_axis_cuts_ends_in_an_arrowhead(make: SimpleNamespace) -> None:
    records = make.grid(("magnitude",), (0, 1), (0.5,))
    speeds = [make.latency(r).model_copy(update={"speedup": 1.0 + r.cell.seed}) for r in records]  # 1.5 +- 6.35
    drawing = speed_drawing(make.summary(gather_results("x", records, speeds)), SETTING)
    assert drawing is not None
    marks = [one for one in drawing.charts[0][1]["layer"] if one["mark"]["type"] == "point"]
    limits = marks[0]["encoding"]["y"]["scale"]["domain"]
    heads = [(row["shape"], row["y"]) for row in marks[1]["data"]["values"]]
    assert heads == [("triangle-down", limits[0]), ("triangle-up", limits[1])]


def test_bars_and_names_of_keeps_go_with_their_dots(drawings: dict[str, Drawing]) -> None:
    """The legend switches off what bears the name of a criterion."""
    layers = drawings["speed"].charts[0][1]["layer"]
    texts = [one for one in layers if one["mark"]["type"] == "text"]
    names = next(one for one in texts if str(one["data"]["values"][0]["text"]).startswith("keep "))
    bars = next(one for one in layers if one["mark"]["type"] == "rule")
    for one in (bars, names):
        assert "description" in one["encoding"]
        assert all(row["words"].startswith("magnitude obd ") for row in one["data"]["values"])


def test_the_title_names_the_machine(drawings: dict[str, Drawing]) -> None:
    assert drawings["speed"].title.startswith("Speed-up measured on imaginary (eager, batch 64, 1 thread), against")


def test_names_of_keeps_do_not_touch_and_every_keep_has_one(drawings: dict[str, Drawing]) -> None:
    for _, chart in drawings["speed"].charts:
        names = next(
            one
            for one in chart["layer"]
            if one["mark"]["type"] == "text" and one["encoding"]["x"].get("scale", 1) is None
        )
        rows = names["data"]["values"]
        boxes = [(row["px"], row["px"] + 6 * len(row["text"]), row["py"] - 6, row["py"] + 6) for row in rows]
        assert {row["text"] for row in rows} == {"keep 0.5", "keep 0.25"}
        assert not any(_touch(a, b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_nothing_was_timed(make: SimpleNamespace) -> None:
    for record in (make.failure(), make.record()):
        assert speed_drawing(make.summary(gather_results("x", [record])), None) is None
