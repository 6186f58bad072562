"""Bars: how much of the variance of the final accuracy each choice makes."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from prunebench.reports.analysis.decomposition import PLACE, RESIDUAL, SEED
from prunebench.reports.figures.drawing import FAINT, INK, Drawing, Spec, describe
from prunebench.reports.figures.marks import (
    CONTENT,
    TOP,
    WORDS,
    as_is,
    field,
    finished,
    grid_rows,
    layer,
    texts,
    x_axis,
)
from prunebench.reports.formatting import is_missing, percent
from prunebench.reports.language.message import joined, say
from prunebench.reports.row_text import keep_of_metric, source_name

TITLE = say(
    "What decides the final accuracy: the share of its variance that each choice makes. Blue: choices; grey: what no "
    "one chooses. Thin line: the range when any one seed is left out."
)
CHOSEN, LUCK = "#0072B2", "#999999"
PITCH, BAR = 34, 11  # px: from bar to bar, and the thickness of a bar


def decomposition_drawing(decomposition: pd.DataFrame) -> Drawing | None:
    """Draw the table of this name, a chart per task and keep. None where no design was crossed."""
    parts = [part.to_dict("records") for _, part in decomposition.groupby(PLACE, sort=False)]
    if not parts:
        return None
    several = len({rows[0]["task"] for rows in parts}) > 1
    charts = tuple((str(rows[0]["task"]), _chart(rows, several)) for rows in parts)
    return Drawing("decomposition", TITLE, charts)


def _chart(rows: Sequence[dict[Any, Any]], several: bool) -> Spec:
    width, height = CONTENT - 12, PITCH * len(rows)
    bars = [_bar(row, PITCH * number) for number, row in enumerate(rows)]
    ranges = [bar | {"py": bar["py"] + BAR / 2} for bar in bars if not is_missing(bar["low"])]
    x = x_axis((0, 100), say("share of the variance in percent"), tickCount=5)
    style = {"color": as_is("colour"), "description": WORDS}
    layers = [
        grid_rows([bar["py"] + BAR + 5 for bar in bars[:-1]], width),
        layer("rect", bars, {"x": x, "x2": {"field": "zero"}, "y": TOP, "y2": {"field": "py2"}} | style),
        *([layer("rule", ranges, {"x": field("low"), "x2": {"field": "high"}, "y": TOP}, color=INK)] if ranges else []),
        texts([{"px": 0, "py": bar["head"], "text": bar["label"]} for bar in bars]),
        texts([{"px": width, "py": bar["head"], "text": bar["told"]} for bar in bars], "right"),
    ]
    keep = say("keep {keep}", keep=keep_of_metric(rows[0]))
    title: Spec = {"text": keep, "limit": CONTENT}
    if several:
        title |= {"text": str(rows[0]["task"]), "subtitle": keep, "subtitleColor": FAINT, "subtitleFontSize": 11}
    return finished(layers, (width, height), title)


def _bar(row: dict[Any, Any], top: float) -> dict[str, Any]:
    luck = row["source"] in (SEED, RESIDUAL)
    name, told = source_name(row["source"]), percent(row["share"], 1)
    words = describe(row["source"], joined((name, told)))
    place = {"head": top + 8, "py": top + 17, "py2": top + 17 + BAR}
    ends = {side: None if is_missing(row[side]) else 100 * row[side] for side in ("low", "high")}
    bar = {"zero": 0, "x": 100 * row["share"], "colour": LUCK if luck else CHOSEN, "label": name, "told": told}
    return place | ends | bar | {"words": words}
