"""The forest: paired differences to the baseline with their intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from prunebench.reports.analysis.verdicts import BETTER, WORSE
from prunebench.reports.figures.drawing import FAINT, GRID, INK, Drawing, Spec, describe
from prunebench.reports.figures.marks import (
    CONTENT,
    TOP,
    Panel,
    arrowheads,
    field,
    finished,
    in_table_order,
    layer,
    look,
    name_width,
    panel_titles,
    pixel_lines,
    row_names,
    spans,
    split_panels,
    symbols,
    texts,
    upright,
    x_axis,
)
from prunebench.reports.formatting import is_missing, seed_counts, signed_interval, signed_points
from prunebench.reports.language.message import SPACE, joined, marked, say
from prunebench.reports.ordering import BASELINE, is_control, table_order
from prunebench.reports.row_text import keep_of_metric, row_interval, tie_note, verdict_cell

TITLE = say(
    "Difference of accuracy to {baseline} over the same seeds, in points, with 95 % intervals; the grey band is the "
    "margin. An interval with an arrowhead goes on beyond the axis.",
    baseline=BASELINE,
)
FILLED = say("A mark is filled where the verdict is better or worse, and hollow elsewhere; controls have no verdict.")
HOLLOW = say("All marks are hollow: a demonstration gives no verdict.")
WORSE_SIDE = say("worse than {baseline} ←", baseline=BASELINE)
SIGNED = "datum.value === 0 ? '0' : format(datum.value, '+.2~f')"
BLOCK_GAP, HEAD, MANY = 8, 18, 24
EDGE, DIGIT = 9, 6.2  # px from the edge to the number of a mark beyond it, and of a digit


@dataclass(frozen=True)
class Line:
    """A row of the forest, in points."""

    name: str
    mean: float
    low: float
    high: float
    decided: bool
    words: str

    @property
    def control(self) -> bool:
        """Whether the row is of a control."""
        return is_control(self.name)


def forest_drawing(differences: pd.DataFrame, margin: float, demonstration: bool = False) -> Drawing | None:
    """Draw the differences to the baseline: a panel per task, ranking and metric, a block of rows per keep.

    differences: the table of this name; margin: a fraction. A demonstration shows no verdict. None where nothing was
    compared with the baseline.
    """
    if "difference" not in differences:
        return None
    rows = differences[differences["n"] > 0]
    primary = rows[rows["primary"].astype(bool) & (rows["reference"] == BASELINE)]
    controls = rows[(rows["criterion"] == BASELINE) & rows["reference"].map(is_control)]
    blocks: dict[Panel, dict[str, list[Line]]] = {}
    for panel, part in split_panels(pd.concat([primary, controls])).items():
        part.sort(key=lambda row: (-row["keep"], table_order(_name(row))))
        for row in part:
            blocks.setdefault(panel, {}).setdefault(_heading(row, part), []).append(_line(row, demonstration))
    if not blocks:
        return None
    titles = panel_titles(blocks)
    charts = tuple((panel[0], _panel_chart(found, 100 * margin, titles[panel])) for panel, found in blocks.items())
    names = in_table_order(line.name for found in blocks.values() for lines in found.values() for line in lines)
    return Drawing("forest", joined((TITLE, HOLLOW if demonstration else FILLED), SPACE), charts, names)


def _name(row: dict[Any, Any]) -> str:
    return str(row["reference"] if row["criterion"] == BASELINE else row["criterion"])


def _heading(row: dict[Any, Any], part: Sequence[dict[Any, Any]]) -> str:
    seeds = [int(one["n"]) for one in part if one["keep"] == row["keep"]]
    return say("keep {keep}, {seeds}", keep=keep_of_metric(row), seeds=seed_counts(seeds))


def _line(row: dict[Any, Any], demonstration: bool) -> Line:
    """Read a row. Rows of the baseline against a control are turned round."""
    name, row = _name(row), dict(row)
    if row["criterion"] == BASELINE:
        row |= {"difference": -row["difference"]}
        row |= {} if is_missing(row["low"]) else {"low": -row["high"], "high": -row["low"]}
    if row["criterion"] == BASELINE:
        verdict: str = say("control, not tested")
    else:
        verdict = say("no verdict: a demonstration") if demonstration else verdict_cell(row)
    points = say("{difference} points", difference=signed_interval(row_interval(row)))
    words = say(
        "{name}, keep {keep}: {points}, {verdict}",
        name=name,
        keep=format(row["keep"], "g"),
        points=marked(points, tie_note(row)),
        verdict=verdict,
    )
    mean = 100 * row["difference"]
    low, high = (mean if is_missing(row[end]) else 100 * row[end] for end in ("low", "high"))
    decided = row.get("verdict") in (BETTER, WORSE) and not (is_control(name) or demonstration)
    return Line(name, mean, low, high, decided, describe(name, words))


def _domain(lines: Sequence[Line], margin: float) -> tuple[float, float]:
    """Limits of the axis. The means of most criteria fit; what lies beyond is drawn at the edge with its number."""
    means = pd.Series([line.mean for line in lines if not line.control] or [line.mean for line in lines])
    reach = max(6 * margin, 3 * float(means.abs().quantile(0.75)))
    low, high = max(min(means.min(), -1.5 * margin), -reach), min(max(means.max(), 1.5 * margin), reach)
    room = 0.4 * (high - low)
    low, high = (
        max(min(line.low for line in lines), low - room, -reach - room) if lines else low,
        min(max(line.high for line in lines), high + room, reach + room) if lines else high,
    )
    low, high = min(low, -1.5 * margin), max(high, 1.5 * margin)
    return min(low, -0.35 * high) * 1.04, max(high, -0.35 * low) * 1.04


def _panel_chart(blocks: dict[str, list[Line]], margin: float, title: Spec | None) -> Spec:
    every = [line for lines in blocks.values() for line in lines]
    pitch = 14 if len(every) > MANY else 16
    left = name_width(line.name for line in every)
    width = CONTENT - left - 12
    domain = _domain(every, margin)
    zero = width * -domain[0] / (domain[1] - domain[0])
    heads, cuts, placed, height = [], [], [], 0.0
    for heading, lines in blocks.items():
        heads.append({"px": -left, "py": height + HEAD / 2, "text": heading})
        height += HEAD
        methods = [line for line in lines if not line.control]
        for line in [*methods, *(line for line in lines if line.control)]:
            if line.control and line is next(one for one in lines if one.control) and methods:
                cuts.append({"px": -left, "px2": width, "py": height + 2, "py2": height + 2})
                height += 4
            placed.append((line, height + pitch / 2))
            height += pitch
        height += BLOCK_GAP
    rows = list(_rows(placed, domain, width))
    axis = x_axis(domain, say("points of accuracy"), tickCount=5, labelExpr=SIGNED)
    at_edge = [_edge(row, width) for row in rows if row["beyond"]]
    band = [{"low": -margin, "high": margin, "py": 0, "py2": height}]
    direction = [
        texts([{"px": zero - 8, "py": -8, "text": WORSE_SIDE}], "right", color=FAINT),
        texts([{"px": zero + 8, "py": -8, "text": say("→ better")}], color=FAINT),
    ]
    layers = [
        layer("rect", band, {"x": field("low"), "x2": {"field": "high"}, "y": TOP, "y2": {"field": "py2"}}, color=GRID),
        upright(0, height, color=INK),
        spans([row for row in rows if row["low"] < row["high"]]),
        symbols(rows, axis),
        *arrowheads(rows, domain, "x", axis),
        row_names((line.name, y) for line, y in placed),
        texts(heads, color=FAINT, fontStyle="italic"),
        *direction,
        *([pixel_lines(cuts, color=GRID)] if cuts else []),
        *(texts([one], one["align"], color=FAINT, fontSize=11) for one in at_edge),
    ]
    return finished(layers, (width, height), title)


def _rows(placed: Sequence[tuple[Line, float]], domain: tuple[float, float], width: float) -> Iterator[dict[str, Any]]:
    """Give a mark per line. A mean beyond the axis is an arrow at the edge; its interval begins behind its number."""
    for line, y in placed:
        beyond = -1 if line.mean < domain[0] else int(line.mean > domain[1])
        style, low, high = look(line.name, line.decided), line.low, line.high
        if beyond:
            style["shape"] = "triangle-left" if beyond < 0 else "triangle-right"
            taken = (EDGE + DIGIT * len(_number(line.mean)) + 4) * (domain[1] - domain[0]) / width
            low, high = (max(low, domain[0] + taken), high) if beyond < 0 else (low, min(high, domain[1] - taken))
        place = {"x": min(max(line.mean, domain[0]), domain[1]), "low": low, "high": high, "py": y}
        yield style | place | {"words": line.words, "beyond": beyond, "mean": line.mean}


def _edge(row: dict[str, Any], width: float) -> dict[str, Any]:
    """Write the number of a mark beyond the axis beside its arrow."""
    place = (EDGE, "left") if row["beyond"] < 0 else (width - EDGE, "right")
    own = {"text": _number(row["mean"]), "words": row["words"]}
    return {"px": place[0], "py": row["py"], "align": place[1]} | own


def _number(mean: float) -> str:
    return signed_points(mean / 100)
