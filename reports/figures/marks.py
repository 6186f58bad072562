"""Marks that figures share. Where a place is in pixels, its columns are px and py."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from prunebench.reports.figures.drawing import FAINT, GRID, INK, Spec
from prunebench.reports.figures.palette import style_of
from prunebench.reports.language.message import joined, say
from prunebench.reports.ordering import METRIC_WORDS, table_order
from prunebench.reports.points import PANEL_COLUMNS

CONTENT = 344  # px from the left edge of labels to the right edge: a phone shows 360, less the padding of 8
NAME_LIMIT = 132  # px; longer names end in an ellipsis
BANDS = say(
    "Bands are 95 % t intervals over seeds (on the page: that of the line under the pointer); controls are dashed."
)
HEADS = {"x": ("triangle-left", "triangle-right"), "y": ("triangle-down", "triangle-up")}
Row = Mapping[Any, Any]
Panel = tuple[str, str, str]


def field(name: str, **more: Any) -> Spec:
    """Give the channel of a column of numbers."""
    return {"field": name, "type": "quantitative"} | more


def as_is(name: str) -> Spec:
    """Give the channel of a column that holds colours, shapes, dashes or opacities themselves."""
    return {"field": name, "type": "nominal", "scale": None}


TOP, LEFT = field("py", scale=None, axis=None), field("px", scale=None, axis=None)
WORDS = {"field": "words", "type": "nominal"}


def layer(kind: str, rows: Sequence[Row], encoding: Spec, **mark: Any) -> Spec:
    """Make one layer. Marks that are not described by a column are hidden from screen readers."""
    silent = {} if "description" in encoding else {"aria": False}
    values = [dict(row) for row in rows]
    return {"data": {"values": values}, "mark": {"type": kind} | silent | mark, "encoding": encoding}


def look(criterion: str, filled: bool = True) -> dict[str, str]:
    """Give the columns that `symbols` reads: colour, fill and shape of a criterion."""
    style = style_of(criterion)
    return {"colour": style.colour, "fill": style.colour if filled else "none", "shape": style.shape}


def symbols(rows: Sequence[Row], x: Spec, y: Spec = TOP, size: int = 52) -> Spec:
    """Draw one symbol per row, described by the column `words`; see `look` for its style."""
    style = {"stroke": as_is("colour"), "fill": as_is("fill"), "shape": as_is("shape"), "description": WORDS}
    return layer("point", rows, {"x": x, "y": y} | style, size=size, opacity=1, strokeWidth=1.5)


def spans(rows: Sequence[Row], y: Spec = TOP) -> Spec:
    """Draw a horizontal line per row, from low to high, in the column `colour`, described by the column `words`."""
    ends = {"x": field("low"), "x2": {"field": "high"}, "y": y}
    return layer("rule", rows, ends | {"color": as_is("colour"), "description": WORDS}, clip=True, strokeWidth=1.5)


def arrowheads(rows: Sequence[Row], limits: tuple[float, float], along: str, x: Spec, y: Spec = TOP) -> list[Spec]:
    """Draw a head wherever the axis cuts the interval of a row. along: `x` or `y`; limits: of this axis."""
    cut = [
        {**row, along: end, "shape": shape, "fill": row["colour"]}
        for row in rows
        for end, shape, beyond in zip(limits, HEADS[along], _beyond(row, limits), strict=True)
        if beyond
    ]
    return [symbols(cut, x, y, 24)] if cut else []


def _beyond(row: Row, limits: tuple[float, float]) -> tuple[bool, bool]:
    return row["low"] < limits[0], row["high"] > limits[1]


def texts(rows: Sequence[Row], align: str = "left", **mark: Any) -> Spec:
    """Write the column `text` at px, py."""
    return text_at(rows, LEFT, TOP, align=align, **mark)


def text_at(rows: Sequence[Row], x: Spec, y: Spec, **mark: Any) -> Spec:
    """Write the column `text` at a place on the axes, described by the column `words` where there is one."""
    whole: Spec = {"color": INK, "fontSize": 11, "baseline": "middle"} | mark
    described = {"description": WORDS} if any("words" in row for row in rows) else {}
    return layer("text", rows, {"x": x, "y": y, "text": {"field": "text", "type": "nominal"}} | described, **whole)


def row_names(places: Iterable[tuple[str, float]]) -> Spec:
    """Write a name at the left of each row. places: (name, pixels from the top)."""
    rows = [{"px": -8, "py": y, "text": name} for name, y in places]
    return texts(rows, "right", limit=NAME_LIMIT - 8)


def pixel_lines(rows: Sequence[Row], **mark: Any) -> Spec:
    """Draw a line per row from px, py to px2, py2, all in pixels."""
    ends = {"x": LEFT, "y": TOP, "x2": {"field": "px2"}, "y2": {"field": "py2"}}
    return layer("rule", rows, ends, **({"color": FAINT, "strokeWidth": 1} | mark))


def upright(value: float, height: float, **mark: Any) -> Spec:
    """Draw a vertical line at a value of the x axis, from the top to `height` pixels."""
    ends = {"x": field("at"), "y": TOP, "y2": {"field": "py2"}}
    row = {"at": value, "py": 0, "py2": height}
    return layer("rule", [row], ends, **({"color": FAINT, "strokeWidth": 1} | mark))


def name_width(names: Iterable[str], limit: int = NAME_LIMIT) -> int:
    """Estimate the pixels that the longest name takes at 11 px."""
    return min(limit, 10 + max(int(6.2 * len(name)) for name in names))


def x_axis(domain: Sequence[float], title: str, **axis: Any) -> Spec:
    """Give the axis of the column x over a domain as it is. In `axis` also kind: `linear` or `log`, and reverse."""
    kind, reverse = axis.pop("kind", "linear"), axis.pop("reverse", False)
    scale = {"domain": list(domain), "nice": False, "type": kind, "reverse": reverse}
    return field("x", scale=scale, axis={"grid": False, "tickSize": 4, "title": title} | axis)


def finished(layers: Sequence[Spec], size: tuple[float, float], title: Spec | None) -> Spec:
    """Lay layers over each other. size: width and height in pixels."""
    whole: Spec = {"layer": list(layers), "width": size[0], "height": size[1]}
    return whole if title is None else whole | {"title": title}


def panel_of(row: Row) -> Panel:
    """Give task, ranking and metric of a row."""
    task, ranking, metric = (str(row[name]) for name in PANEL_COLUMNS)
    return task, ranking, metric


def split_panels(frame: pd.DataFrame) -> dict[Panel, list[dict[Any, Any]]]:
    """Split a table into the rows of each task, ranking and metric, in its order."""
    found: dict[Panel, list[dict[Any, Any]]] = {}
    for row in frame.to_dict("records"):
        found.setdefault(panel_of(row), []).append(row)
    return found


def panel_titles(panels: Iterable[Panel]) -> dict[Panel, Spec | None]:
    """Title panels by what tells them apart: the task among several, and ranking and metric within the task."""
    every = list(dict.fromkeys(panels))
    tasks = {panel[0] for panel in every}
    titles: dict[Panel, Spec | None] = {}
    for task, ranking, metric in every:
        same = [panel for panel in every if panel[0] == task]
        detail = [say("{ranking} ranking", ranking=ranking)] if len({panel[1] for panel in same}) > 1 else []
        several = len({panel[2] for panel in same}) > 1
        detail += [say("keeps of {metric}", metric=METRIC_WORDS[metric])] if several else []
        lines = ([task] if len(tasks) > 1 else []) + ([joined(detail)] if detail else [])
        titles[task, ranking, metric] = _title(lines)
    return titles


def _title(lines: Sequence[str]) -> Spec | None:
    if not lines:
        return None
    more = {"subtitle": lines[1], "subtitleColor": FAINT, "subtitleFontSize": 11} if lines[1:] else {}
    return {"text": lines[0], "limit": CONTENT} | more


def in_table_order(criteria: Iterable[str]) -> tuple[str, ...]:
    """Give every criterion once, in the order of the tables."""
    return tuple(sorted(dict.fromkeys(criteria), key=table_order))


def grid_rows(places: Sequence[float], width: float, left: float = 0) -> Spec:
    """Draw a faint horizontal line at each place, py, from `left` to `width` pixels."""
    return pixel_lines([{"px": left, "px2": width, "py": y, "py2": y} for y in places], color=GRID)
