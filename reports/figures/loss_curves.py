"""The figure of training losses by epoch, one panel per task, ranking and metric, at the smallest keep."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from prunebench.reports.figures.drawing import FAINT, Drawing, Spec, describe
from prunebench.reports.figures.inline import BAND
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
    name_width,
    panel_titles,
    split_panels,
    text_at,
    texts,
    upright,
    x_axis,
)
from prunebench.reports.figures.palette import style_of
from prunebench.reports.figures.scales import round_ticks, thinned
from prunebench.reports.language.message import SPACE, joined, say
from prunebench.reports.points import PANEL_COLUMNS

NAME = "loss_curves"
LOSS = say("Training loss in nats by epoch, mean over seeds, on a logarithmic axis.")
STAGES = say("D: dense training; S: sparse training; R: rungs of the ladder; F: fine-tuning.")
TITLE = joined((LOSS, BANDS, STAGES), SPACE)
DRAWN = 8  # criteria in a panel
POINTS = 150  # of a line
LETTERS = {"classifier": "D", "dense": "D", "sparse": "S", "rung": "R", "finetune": "F"}
CRITERION = {"field": "criterion", "type": "nominal"}
LEAST = 1e-9  # of a loss on the axis
AXIS, GAP, LEADER, HEIGHT = 56, 13.0, 14, 220.0  # px


def drawn_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Choose what is drawn of each panel: its smallest keep, there the first criteria in the order of the tables.

    curves: as `loss_curves_table`.
    """
    if not len(curves):
        return curves
    smallest = curves[curves["keep"] == curves.groupby(PANEL_COLUMNS)["keep"].transform("min")]
    chosen = [
        part[part["criterion"].isin(in_table_order(part["criterion"])[:DRAWN])]
        for _, part in smallest.groupby(PANEL_COLUMNS, sort=False)
    ]
    drawn = pd.concat(chosen)
    return drawn[np.isfinite(drawn["loss"].astype(float))]


def loss_curves_drawing(curves: pd.DataFrame) -> Drawing | None:
    """Draw the losses of each panel's smallest keep, one line per criterion. curves: as `loss_curves_table`."""
    panels = split_panels(drawn_curves(curves))
    if not panels:
        return None
    titles = panel_titles(panels)
    charts = tuple((panel[0], _chart(rows, titles[panel])) for panel, rows in panels.items())
    names = in_table_order(row["criterion"] for rows in panels.values() for row in rows)
    return Drawing(NAME, TITLE, charts, names)


def _chart(rows: Sequence[Row], title: Spec | None) -> Spec:
    lines = {name: _thinned([row for row in rows if row["criterion"] == name]) for name in _names(rows)}
    width = CONTENT - AXIS - name_width(lines, 110) - LEADER - 6
    steps = max(row["step"] for row in rows)
    means = [max(float(row["loss"]), LEAST) for row in rows]
    limits = (min(means) / 1.3, max(means) * 1.3)
    ticks = thinned(round_ticks(limits), (limits[1] / limits[0]) ** 0.1)
    x = x_axis((0, steps), say("epoch"), tickMinStep=1, tickCount=4)
    scale = {"type": "log", "domain": list(limits), "nice": False}
    axis = {"values": ticks, "format": "~g", "title": say("training loss"), "titlePadding": 4}
    layers = [
        *_stages(next(iter(lines.values())), width / steps),
        *_bands(lines, limits, x, scale),
        _lines(lines, x, field("y", scale=scale, axis=axis)),
        *_labels(lines, limits, (x, scale), width),
    ]
    return finished(layers, (width, HEIGHT), title)


def _names(rows: Sequence[Row]) -> tuple[str, ...]:
    return in_table_order(row["criterion"] for row in rows)


def _thinned(rows: Sequence[Row]) -> list[Row]:
    """Leave out epochs of a long curve: every k-th stays, and the first and the last of a stage."""
    every = -(-len(rows) // POINTS)
    ends = [i for i in range(len(rows)) if i + 1 == len(rows) or rows[i]["stage"] != rows[i + 1]["stage"]]
    keep = {0, *range(0, len(rows), every), *ends, *(i + 1 for i in ends)}
    return [row for i, row in enumerate(rows) if i in keep]


def _stages(rows: Sequence[Row], pixels: float) -> list[Spec]:
    """Part the stages by faint lines, with a letter above each that has room. pixels: of an epoch."""
    starts: list[tuple[str, float]] = []
    for before, row in zip([None, *rows], rows, strict=False):
        letter = _letter(row)
        if letter and (before is None or letter != starts[-1][0]):
            starts.append((letter, float(row["step"]) - 1))
    ends = [*(start for _, start in starts[1:]), float(rows[-1]["step"])]
    letters = [
        {"px": (start + end) / 2 * pixels, "py": -7, "text": letter}
        for (letter, start), end in zip(starts, ends, strict=True)
        if (end - start) * pixels >= 9
    ]
    return [upright(start, HEIGHT, strokeOpacity=0.5) for _, start in starts[1:]] + [
        texts(letters, "center", color=FAINT)
    ]


def _letter(row: Row) -> str:
    return LETTERS.get(str(row["stage"]).partition(" ")[0], "")


def _bands(lines: Mapping[str, Sequence[Row]], limits: tuple[float, float], x: Spec, scale: Spec) -> list[Spec]:
    spread = [
        {"x": row["step"], "criterion": name, "words": describe(name, BAND), "colour": style_of(name).colour}
        | {
            "low": max(row["loss"] - row["loss_half"], limits[0]),
            "high": min(row["loss"] + row["loss_half"], limits[1]),
        }
        for name, rows in lines.items()
        for row in rows
        if row["loss_half"] > 0
    ]
    ends = {"x": x, "y": field("low", scale=scale), "y2": {"field": "high"}, "detail": CRITERION, "description": WORDS}
    return [layer("area", spread, ends | {"fill": as_is("colour")}, fillOpacity=0.1)] if spread else []


def _lines(lines: Mapping[str, Sequence[Row]], x: Spec, y: Spec) -> Spec:
    points: list[dict[str, Any]] = []
    for name, rows in lines.items():
        style = style_of(name)
        own: dict[str, Any] = {"criterion": name, "words": describe(name, _words(rows[-1]))}
        own |= {"colour": style.colour, "dash": list(style.dash)}
        points += [own | {"x": row["step"], "y": max(row["loss"], LEAST)} for row in rows]
    channels = {"strokeDash": as_is("dash"), "stroke": as_is("colour"), "detail": CRITERION, "description": WORDS}
    return layer("line", points, {"x": x, "y": y} | channels, strokeWidth=1.5)


def _words(last: Row) -> str:
    half = f" ± {last['loss_half']:.2g}" if last["loss_half"] > 0 else ""
    loss = f"{last['loss']:.3g}{half}"
    return say(
        "{criterion}, keep {keep}: training loss {loss} after {epochs} epochs",
        criterion=last["criterion"],
        keep=format(last["keep"], "g"),
        loss=loss,
        epochs=last["step"],
    )


def _labels(
    lines: Mapping[str, Sequence[Row]], limits: tuple[float, float], axes: tuple[Spec, Spec], width: float
) -> list[Spec]:
    """Name every line at its end. Names that would touch are moved apart."""
    low, high = np.log(limits)
    pixel = (high - low) / HEIGHT
    ends = [rows[-1] for rows in lines.values()]
    values = [float(np.log(max(end["loss"], LEAST))) for end in ends]
    places = np.exp(spread_labels(values, GAP * pixel, (low + 5 * pixel, high - 5 * pixel)))
    rows = [
        {"x": end["step"], "y": max(end["loss"], LEAST), "label": float(place), "text": end["criterion"]}
        | {"colour": style_of(end["criterion"]).colour}
        for end, place in zip(ends, places, strict=True)
    ]
    x, scale = axes
    side = {"value": width + LEADER}
    y, label = (field(name, scale=scale) for name in ("y", "label"))
    leader = {"x": x, "x2": side, "y": y, "y2": {"field": "label"}, "color": as_is("colour")}
    return [
        layer("rule", rows, leader, strokeWidth=0.8, strokeOpacity=0.7),
        text_at(rows, side, label, align="left", dx=4, limit=110),
    ]
