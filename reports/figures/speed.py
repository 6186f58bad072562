"""The figure of measured beside theoretical speed-up."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from prunebench.reports.figures.drawing import FAINT, INK, Drawing, Spec, describe
from prunebench.reports.figures.marks import (
    CONTENT,
    WORDS,
    Row,
    arrowheads,
    as_is,
    field,
    finished,
    in_table_order,
    layer,
    look,
    panel_titles,
    split_panels,
    symbols,
    text_at,
    texts,
    x_axis,
)
from prunebench.reports.figures.scales import round_ticks, thinned
from prunebench.reports.formatting import as_multiple, is_missing, percent
from prunebench.reports.language.message import SPACE, joined, say
from prunebench.reports.ordering import DENSE_CONTINUED
from prunebench.reports.row_text import setting_text

LINES = say(
    "Lines are 95 % intervals, with an arrowhead where they go on; hollow dots are unreliable; black dots stand for "
    "several criteria of equal widths."
)
SMALLEST = 0.05  # lower end of an interval that reaches zero, which a logarithmic axis lacks
TIMES = "format(datum.value, '.2~f') + 'x'"
AXIS, HEIGHT, NAME = 52, 250, 50  # px; of the name of a keep beside the last dot

Ends = tuple[float, float]
Box = tuple[float, float, float, float]  # left, right, top, bottom


def speed_drawing(summary: pd.DataFrame, setting: Sequence[object] | None) -> Drawing | None:
    """Draw the speed-ups of every network: a panel per task, ranking and metric. None where nothing was timed.

    setting: of the timings in the summary, as `main_setting`; the title names it.
    Networks of equal widths are one dot. The interval is over seeds; one seed has the measurement's own interval.
    """
    if setting is None:
        return None
    pruned = summary[summary["criterion"] != DENSE_CONTINUED]
    panels = split_panels(pruned.dropna(subset=["measured", "theoretical"]))
    if not panels:
        return None
    titles = panel_titles(panels)
    charts = tuple((panel[0], _chart(_networks(rows), titles[panel])) for panel, rows in panels.items())
    names = in_table_order(row["criterion"] for rows in panels.values() for row in rows)
    title = say(
        "Speed-up measured on {setting}, against the speed-up by the count of MACs. One dot per network; on the "
        "diagonal the count is kept.",
        setting=setting_text(setting),
    )
    return Drawing("speed", joined((title, LINES), SPACE), charts, names)


def _networks(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Give one mark per network: rows with equal cost and equal measurements have equal widths."""
    shared: dict[tuple[float, ...], list[Row]] = {}
    for row in rows:
        shared.setdefault((row["keep"], row["theoretical"], row["measured"]), []).append(row)
    return [_mark(group) for group in shared.values()]


def _mark(group: Sequence[Row]) -> dict[str, Any]:
    row, names = group[0], in_table_order(row["criterion"] for row in group)
    half = row["measured_half"]
    ends = (row["own_low"], row["own_high"]) if is_missing(half) else (row["measured"] - half, row["measured"] + half)
    filled = not bool(row["noisy"])
    several = {"colour": INK, "fill": INK if filled else "none", "shape": "circle"}
    style = several if len(names) > 1 else look(names[0], filled)
    measured = f"{as_multiple(row['measured'])} [{ends[0]:.2f}, {ends[1]:.2f}]"
    words = say(
        "{names}, keep {keep}: measured {measured}, {theory} by MACs ({share} of it)",
        names=joined(names),
        keep=format(row["keep"], "g"),
        measured=measured,
        theory=as_multiple(row["theoretical"]),
        share=percent(row["measured"] / row["theoretical"], 0),
    )
    place = {"x": row["theoretical"], "y": row["measured"], "low": max(ends[0], SMALLEST), "high": ends[1]}
    told = words if filled else joined((words, say("unreliable")))
    return style | place | {"keep": float(row["keep"]), "words": describe(names, told)}


def _chart(marks: Sequence[dict[str, Any]], title: Spec | None) -> Spec:
    across = _domain([mark["x"] for mark in marks], [])
    up = _domain([mark["y"] for mark in marks], [mark[end] for mark in marks for end in ("low", "high")])
    size = (CONTENT - AXIS - 8, HEIGHT)
    across = across[0], across[1] * (across[1] / across[0]) ** (NAME / (size[0] - NAME))
    scale = {"type": "log", "domain": list(up), "nice": False}
    ticks = thinned(round_ticks(up), (up[1] / up[0]) ** 0.09)
    axis = {"values": ticks, "labelExpr": TIMES, "title": say("measured speed-up"), "titlePadding": 4, "tickSize": 4}
    y = field("y", scale=scale, axis=axis)
    values = thinned(round_ticks(across), (across[1] / across[0]) ** 0.13)
    x = x_axis(across, say("speed-up by the count of MACs"), kind="log", values=values, labelExpr=TIMES)
    ends = {"x": x, "y": field("low", scale=scale), "y2": {"field": "high"}, "color": as_is("colour")}
    ends |= {"description": WORDS}
    layers = [
        *_promise(across, up, x, y),
        layer("rule", marks, ends, strokeWidth=1.5, clip=True),
        symbols(marks, x, y),
        *arrowheads(marks, up, "y", x, y),
        *_keep_labels(marks, (across, up), size),
    ]
    return finished(layers, size, title)


def _domain(values: Sequence[float], ends: Sequence[float]) -> Ends:
    """Limits of an axis that holds 1 and all values; ends of intervals fit as far as they do not squeeze the values."""
    low, high = min([*values, 1.0]), max([*values, 1.2])
    room = (high / low) ** 0.35
    low, high = (
        min([low, *(max(end, low / room) for end in ends)]),
        max([high, *(min(end, high * room) for end in ends)]),
    )
    pad = (high / low) ** 0.06
    return low / pad, high * pad


def _promise(across: Ends, up: Ends, x: Spec, y: Spec) -> list[Spec]:
    """Draw the diagonal, where the measured speed-up is the theoretical one."""
    start, end = max(across[0], up[0]), min(across[1], up[1])
    line = layer("line", [{"x": v, "y": v} for v in (start, end)], {"x": x, "y": y}, color=FAINT, strokeWidth=1)
    note: Spec = {"align": "left", "dx": 26, "dy": -7, "fontStyle": "italic", "color": FAINT}
    return [line, text_at([{"x": start, "y": start, "text": say("as counted")}], x, y, **note)]


def _keep_labels(marks: Sequence[dict[str, Any]], limits: tuple[Ends, Ends], size: Ends) -> list[Spec]:
    """Name the keep of every network beside it, where there is room; every keep has one name at least."""
    dots = [(_pixel(mark["x"], limits[0], size[0]), size[1] - _pixel(mark["y"], limits[1], size[1])) for mark in marks]
    taken = [(x - 6, x + 6, y - 6, y + 6) for x, y in dots]
    named: set[float] = set()
    rows = []
    for mark, (x, y) in sorted(zip(marks, dots, strict=True), key=lambda pair: (-pair[0]["x"], pair[0]["y"])):
        text = say("keep {keep}", keep=format(mark["keep"], "g"))
        wide = 6.0 * len(text)
        below = min(x - wide / 2, size[0] + 8 - wide)
        places = ((x + 9, y), (below, y + 15), (x - wide - 9, y), (below, y - 15))
        boxes = [(left, left + wide, middle - 6, middle + 6) for left, middle in places]
        free = [box for box in boxes if box[1] <= size[0] + 8 and not any(_touch(box, other) for other in taken)]
        if not free and mark["keep"] in named:
            continue
        box = (free or boxes[1:])[0]
        taken.append(box)
        named.add(mark["keep"])
        rows.append({"px": box[0], "py": box[2] + 6, "text": text, "words": mark["words"]})
    return [texts(rows)]


def _pixel(value: float, limits: Ends, length: float) -> float:
    return length * math.log(value / limits[0]) / math.log(limits[1] / limits[0])


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
