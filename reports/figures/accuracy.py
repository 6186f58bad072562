"""The figure of accuracy against cost, one panel per task, ranking and metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from prunebench.reports.figures.drawing import FAINT, INK, Drawing, Spec, describe
from prunebench.reports.figures.labels import spread_labels
from prunebench.reports.figures.marks import (
    BANDS,
    CONTENT,
    WORDS,
    Row,
    as_is,
    field,
    finished,
    in_table_order,
    layer,
    look,
    name_width,
    panel_titles,
    split_panels,
    symbols,
    text_at,
    x_axis,
)
from prunebench.reports.figures.palette import style_of
from prunebench.reports.figures.scales import (
    KEPT,
    PERCENT,
    SMALLEST_ERROR,
    error_scale,
    error_ticks,
    round_ticks,
    thinned,
)
from prunebench.reports.formatting import accuracy_with_half, milliseconds, percent
from prunebench.reports.language.message import SEMICOLON, SPACE, joined, say
from prunebench.reports.ordering import DENSE, DENSE_CONTINUED, METRIC_WORDS, cost_metric, table_order

Cost = Literal["macs", "params", "ms"]
NAMES = {"macs": "accuracy", "params": "accuracy_params", "ms": "accuracy_ms"}
AXIS_NOTE = say("The accuracy axis is logarithmic in the error.")
TITLES = {
    cost: joined((title, BANDS, AXIS_NOTE), SPACE)
    for cost, title in {
        "macs": say("Accuracy after fine-tuning against MACs kept (single weights: weights kept); higher is better."),
        "params": say("Accuracy after fine-tuning against parameters kept; higher is better."),
        "ms": say("Accuracy after fine-tuning against measured milliseconds per batch; higher is better."),
    }.items()
}
CRITERION = {"field": "criterion", "type": "nominal"}
BAND = "band"  # the page shows the bands of one criterion at a time and knows them by this word
AXIS, GAP, LEADER = 56, 13.0, 14  # px: of the y axis, from label to label, and of the line to a label


@dataclass(frozen=True)
class Frame:
    """What all layers of a panel share. limits: of the error; left, right: of x, the dense side first."""

    x: Spec
    limits: tuple[float, float]
    width: float
    height: float

    def y(self, column: str, **more: Any) -> Spec:
        """Place a column on the axis of errors."""
        return field(column, scale=error_scale(self.limits), **more)


def accuracy_drawing(summary: pd.DataFrame, cost: Cost = "macs") -> Drawing | None:
    """Draw the fine-tuned accuracy against a cost, one line per criterion.

    cost: `macs` (the metric that `cost_metric` names) or `params` kept, or `ms`, measured milliseconds per batch. The
    dense network is a point where nothing is removed; `dense_continued` is a level across. None where there is nothing
    to draw.
    """
    panels = {panel: rows for panel, part in split_panels(summary).items() if (rows := _drawn_rows(part, cost))}
    if not panels:
        return None
    titles, levels, limits = panel_titles(panels), _levels(summary), {}
    for task in {panel[0] for panel in panels}:
        across = [one["y"] for panel, level in levels.items() if panel[0] == task for one in level]
        limits[task] = _limits([row for panel, rows in panels.items() if panel[0] == task for row in rows], across)
    charts = []
    for panel, rows in panels.items():
        level = levels.get(panel) or levels.get((panel[0], "local", panel[2]), [])
        chart = _chart(rows, level, limits[panel[0]], cost)
        charts.append((panel[0], chart | ({"title": titles[panel]} if titles[panel] else {})))
    names = in_table_order(row["criterion"] for rows in panels.values() for row in rows)
    names = in_table_order([*names, DENSE_CONTINUED]) if levels else names
    return Drawing(NAMES[cost], TITLES[cost], tuple(charts), names)


def _drawn_rows(part: Sequence[Row], cost: Cost) -> list[dict[str, Any]]:
    """Give x, the cost, and y, low, high and dense as errors, of the rows that have both."""
    rows = []
    for row in part:
        column = _column(row, cost)
        if cost == "params" and row["metric"] == "weights":  # single weights leave every parameter where it was
            continue
        if row["criterion"] == DENSE_CONTINUED or pd.isna(row.get(column)) or pd.isna(row.get("accuracy_finetuned")):
            continue
        rows.append(_errors(row) | {"x": float(row[column]), "full": float(row.get("dense_ms", 1.0))})
        if cost != "ms":
            rows[-1]["full"] = 1.0
        rows[-1]["words"] = describe(row["criterion"], _words(row, column))
    return rows


def _column(row: Row, cost: Cost) -> str:
    return {"macs": f"keep_{cost_metric(str(row['metric']))}", "params": "keep_params", "ms": "pruned_ms"}[cost]


def _errors(row: Row) -> dict[str, Any]:
    mean, half = float(row["accuracy_finetuned"]), row.get("accuracy_finetuned_half")
    half = 0.0 if half is None or pd.isna(half) else float(half)
    errors = {"y": 1 - mean, "low": 1 - mean - half, "high": 1 - mean + half, "dense": 1 - row["accuracy_dense"]}
    clipped = {name: min(max(value, SMALLEST_ERROR), 1.0) for name, value in errors.items()}
    whole = {"accuracy_dense": row["accuracy_dense"], "n": row["n"]}  # for words and the choice of a row
    return clipped | whole | {"criterion": str(row["criterion"]), "metric": str(row["metric"]), "keep": row["keep"]}


def _words(row: Row, column: str) -> str:
    kept = say("{share} kept", share=percent(row[column], 1))
    cost = f"{milliseconds(row[column])} ms" if column == "pruned_ms" else kept
    return say(
        "{criterion}, keep {keep}: {accuracy} % accurate, {cost}",
        criterion=row["criterion"],
        keep=format(row["keep"], "g"),
        accuracy=accuracy_with_half(row["accuracy_finetuned"], row.get("accuracy_finetuned_half")),
        cost=cost,
    )


def _levels(summary: pd.DataFrame) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    """Give the rows of `dense_continued` by panel."""
    if "accuracy_finetuned" not in summary:
        return {}
    ours = summary[(summary["criterion"] == DENSE_CONTINUED) & summary["accuracy_finetuned"].notna()]
    return {panel: [{**_errors(row), "row": row} for row in part] for panel, part in split_panels(ours).items()}


def _limits(rows: Sequence[Row], across: Sequence[float] = ()) -> tuple[float, float]:
    """Smallest and largest error on the axis. All means fit; intervals are cut where they would squeeze the means."""
    means = [*across, *(row[name] for row in rows for name in ("y", "dense"))]
    least, most = min(means), max(means)
    room = max(most / least, 1.2)
    low = min(least, max(min(row["low"] for row in rows), least / room**0.3))
    high = min(max(row["high"] for row in rows), most * room**0.3)
    return low / room**0.05, min(max(high, most) * room**0.05, 1.0)


def _chart(rows: list[dict[str, Any]], level: list[dict[str, Any]], limits: Any, cost: Cost) -> Spec:
    names = in_table_order(row["criterion"] for row in rows)
    labels = [*names, *([DENSE_CONTINUED] if level else [])]
    room = name_width(labels, 110) + LEADER + 6
    height = min(max(210, (len(labels) + 1) * GAP + 20), 500)
    full = float(np.mean([row["full"] for row in rows]))
    frame = Frame(_x(rows, full, cost), limits, CONTENT - AXIS - room, height)
    most = max(rows, key=lambda row: row["n"])  # the dense networks of most seeds
    dense = most["dense"]
    rows = sorted(rows, key=lambda row: (table_order(row["criterion"]), -row["x"]))
    ticks = {"values": error_ticks(limits, dense), "labelExpr": PERCENT, "title": say("accuracy"), "titlePadding": 4}
    y = frame.y("y", axis=ticks)
    point = {"x": full, "y": dense, "colour": INK, "fill": INK, "shape": "circle"}
    accuracy = percent(most["accuracy_dense"])
    words = say("{dense} network, nothing removed: {accuracy} accurate", dense=DENSE, accuracy=accuracy)
    point |= {"words": describe(DENSE, words)}
    layers = [
        *_bands(rows, frame),
        *_level_lines(level, frame),
        _lines(rows, frame, y),
        symbols([row | look(row["criterion"]) for row in rows] + [point], frame.x, y, 40),
        *_labels(_ends(rows, level), dense, frame),
    ]
    return finished(layers, (frame.width, height), None)


def _x(rows: Sequence[Row], full: float, cost: Cost) -> Spec:
    """Give the axis of the cost, the whole network at the left."""
    low, high = min(row["x"] for row in rows), max([full, *(row["x"] for row in rows)])
    low = min(low, high / 1.5)
    room = (high / low) ** 0.05
    domain = (low / room, high * room)
    axis: dict[str, Any] = {"kind": "log", "reverse": True, "labelOverlap": False}
    ratio = (high / low) ** 0.2
    if cost == "ms":
        return x_axis(domain, say("ms per batch"), values=thinned(round_ticks(domain), ratio), format="~g", **axis)
    word = METRIC_WORDS[cost_metric(str(rows[0]["metric"]))] if cost == "macs" else METRIC_WORDS[cost]
    ticks = thinned([round(row["x"], 3) for row in rows] + [1.0], ratio)
    return x_axis(domain, say("{metric} kept", metric=word), values=ticks, labelExpr=KEPT, **axis)


def _bands(rows: Sequence[Row], frame: Frame) -> list[Spec]:
    """Draw the intervals: an area where a criterion has several keeps, and lines elsewhere."""
    spread = [
        {name: row[name] for name in ("x", "criterion")}
        | {"low": max(row["low"], frame.limits[0]), "high": min(row["high"], frame.limits[1])}
        | {"colour": style_of(row["criterion"]).colour, "words": describe(row["criterion"], BAND)}
        for row in rows
        if row["low"] < row["high"]
    ]
    if not spread:
        return []
    single = len({row["x"] for row in spread}) == len({row["criterion"] for row in spread})
    ends = {"x": frame.x, "y": frame.y("low"), "y2": {"field": "high"}, "detail": CRITERION, "description": WORDS}
    if single:
        return [layer("rule", spread, ends | {"color": as_is("colour")}, strokeOpacity=0.4)]
    return [layer("area", spread, ends | {"fill": as_is("colour")}, fillOpacity=0.1)]


def _lines(rows: Sequence[Row], frame: Frame, y: Spec) -> Spec:
    """Draw one line per criterion."""
    points = []
    for row in rows:
        name, style = row["criterion"], style_of(row["criterion"])
        point = {"x": row["x"], "y": row["y"], "criterion": name, "words": describe(name, name)}
        points.append(point | {"colour": style.colour, "dash": list(style.dash)})
    channels = {"strokeDash": as_is("dash"), "stroke": as_is("colour"), "detail": CRITERION, "description": WORDS}
    return layer("line", points, {"x": frame.x, "y": y} | channels, strokeWidth=2)


def _level_lines(level: Sequence[Row], frame: Frame) -> list[Spec]:
    """Draw `dense_continued` across, at its mean over the keeps, for each of which it was trained as long."""
    if not level:
        return []
    rows = [one["row"] for one in level]
    each = (
        say(
            "keep {keep} {accuracy}",
            keep=format(row["keep"], "g"),
            accuracy=accuracy_with_half(row["accuracy_finetuned"], row.get("accuracy_finetuned_half")),
        )
        for row in rows
    )
    words = say(
        "{control}, never pruned, trained as long as after a cut: accuracy in percent at {each}",
        control=DENSE_CONTINUED,
        each=joined(each, SEMICOLON),
    )
    row = {"y": _level(level), "words": describe(DENSE_CONTINUED, words)}
    style = style_of(DENSE_CONTINUED)
    mark: Spec = {"color": style.colour, "strokeDash": list(style.dash), "strokeWidth": 1.5, "clip": True}
    return [layer("rule", [row], {"y": frame.y("y"), "description": WORDS}, **mark)]


def _level(level: Sequence[Row]) -> float:
    return float(np.mean([one["y"] for one in level]))


def _ends(rows: Sequence[Row], level: Sequence[Row]) -> list[dict[str, Any]]:
    """Give the end of every line: its last point, and the right edge for a level (no x)."""
    last = {row["criterion"]: row for row in rows}  # sorted by falling x
    ends = [{"text": name, "x": row["x"], "y": row["y"], "colour": style_of(name).colour} for name, row in last.items()]
    if level:
        ends.append({"text": DENSE_CONTINUED, "y": _level(level), "colour": style_of(DENSE_CONTINUED).colour})
    return ends


def _labels(ends: list[dict[str, Any]], dense: float, frame: Frame) -> list[Spec]:
    """Name every line at its end, and the dense point. Names that would touch are moved apart."""
    low, high = np.log(frame.limits)
    pixel = (high - low) / frame.height
    values = [float(np.log(min(max(end["y"], frame.limits[0]), frame.limits[1]))) for end in ends]
    places = np.exp(spread_labels(values, GAP * pixel, (low + 5 * pixel, high - 5 * pixel)))
    labelled = [end | {"label": float(place)} for end, place in zip(ends, places, strict=True)]
    side = {"value": frame.width + LEADER}
    layers = [text_at(labelled, side, frame.y("label"), align="left", dx=4, limit=110)]
    for inside in (True, False):
        some = [end for end in labelled if ("x" in end) == inside]
        start = frame.x if inside else {"value": frame.width}
        leader = {"x": start, "x2": side, "y": frame.y("y"), "y2": {"field": "label"}, "color": as_is("colour")}
        layers += [layer("rule", some, leader, strokeWidth=0.8, strokeOpacity=0.7)] if some else []
    note: Spec = {"align": "left", "dx": 7, "dy": -9, "color": FAINT, "fontStyle": "italic"}
    return [*layers, text_at([{"y": dense, "text": DENSE}], {"value": 0}, frame.y("y"), **note)]
