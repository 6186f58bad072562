"""Waterfalls: from which accuracy to which every cause took one criterion."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from prunebench.reports.analysis.answers import Answer
from prunebench.reports.figures.drawing import FAINT, INK, Drawing, Spec, describe
from prunebench.reports.figures.marks import (
    CONTENT,
    TOP,
    WORDS,
    Row,
    as_is,
    field,
    finished,
    grid_rows,
    in_table_order,
    layer,
    panel_of,
    panel_titles,
    texts,
    x_axis,
)
from prunebench.reports.formatting import is_missing, percent, signed_interval
from prunebench.reports.language.message import Message, say
from prunebench.reports.ordering import DENSE, DENSE_CONTINUED, LOCAL
from prunebench.reports.row_text import keep_of_metric, row_interval

TITLE = say(
    "What each cause did to the accuracy of the named criterion: a bar ends at that accuracy and is as long as the "
    "difference over shared seeds. Blue: gained; orange: lost; pale: the 95 % interval (thin line) holds zero."
)
GAINED, LOST = "#0072B2", "#D55E00"
PITCH, HEAD, BAR = 48, 20, 11  # px: from bar to bar, of the heading, and of the thickness of a bar
CAUSES = {
    "training": say("extra training alone"),
    "pruning": say("pruning"),
    "units": say("choice of units"),
    "weights": say("inherited weights"),
    "allocation": say("allocation"),
}


def causes_drawing(causes: pd.DataFrame, summary: pd.DataFrame, answers: Sequence[Answer]) -> Drawing | None:
    """Draw one waterfall per answer: of the criterion that it names, at its keep. None where no cause was isolated.

    causes, summary: the tables of these names.
    """
    bars = {answer.panel: found for answer in answers if (found := list(_bars(causes, summary, answer)))}
    if not bars:
        return None
    titles, by_panel = panel_titles(bars), {answer.panel: answer for answer in answers}
    charts = tuple((panel[0], _chart(found, _heading(by_panel[panel]), titles[panel])) for panel, found in bars.items())
    return Drawing("causes", TITLE, charts, in_table_order(by_panel[panel].named for panel in bars))


def _heading(answer: Answer) -> Message:
    keep = keep_of_metric({"keep": answer.keep, "metric": answer.metric})
    return say("{criterion}, keep {keep}", criterion=answer.named, keep=keep)


def _change(cause: str, answer: Answer) -> str:
    """Say from which network to which a cause is told."""
    name = answer.named
    return {
        "training": f"{DENSE} → {DENSE_CONTINUED}",
        "pruning": f"{DENSE_CONTINUED} → {name}",
        "units": say("random units → {name}", name=name),
        "weights": say("fresh weights → {name}", name=name),
        "allocation": say("{name}, local ranking → {ranking} ranking", name=name, ranking=answer.ranking),
    }[cause]


def _bars(causes: pd.DataFrame, summary: pd.DataFrame, answer: Answer) -> Iterator[dict[str, Any]]:
    """Give the bars of an answer in the order of `CAUSES`. A bar ends at the accuracy of the row's own criterion."""
    if "difference" not in causes:
        return
    here = [row for row in causes[causes["n"] > 0].to_dict("records") if row["keep"] == answer.keep]
    for cause in CAUSES:
        criterion = DENSE_CONTINUED if cause == "training" else answer.named
        row = _row_of(here, cause, criterion, answer)
        end = None if row is None else _accuracy(summary, row)
        if row is not None and end is not None:
            yield _bar(row, end, answer, cause)


def _row_of(rows: Sequence[Row], cause: str, criterion: str, answer: Answer) -> Row | None:
    """Find the row of a cause. The extra training of a ranking may have been run under `local` only."""
    panels = [answer.panel, *([(answer.task, LOCAL, answer.metric)] if cause == "training" else [])]
    found = [row for row in rows if row["cause"] == cause and row["criterion"] == criterion]
    return next((row for panel in panels for row in found if panel_of(row) == panel), None)


def _accuracy(summary: pd.DataFrame, row: Row) -> float | None:
    same = (summary["criterion"] == row["criterion"]) & (summary["keep"] == row["keep"])
    for one in summary[same].to_dict("records"):
        if panel_of(one) == panel_of(row) and not is_missing(one["accuracy_finetuned"]):
            return float(one["accuracy_finetuned"])
    return None


def _bar(row: Row, end: float, answer: Answer, cause: str) -> dict[str, Any]:
    start, difference = end - row["difference"], row["difference"]
    interval = signed_interval(row_interval(dict(row)))
    what = _change(cause, answer)
    words = say(
        "{cause} ({change}): {interval} points, from {start} to {end}",
        cause=CAUSES[cause],
        change=what,
        interval=interval,
        start=percent(start),
        end=percent(end),
    )
    low, high = (end if is_missing(row[side]) else start + row[side] for side in ("low", "high"))
    sure = low < high and not low <= start <= high
    bar = {"start": 100 * start, "x": 100 * end, "low": 100 * low, "high": 100 * high, "interval": interval}
    bar |= {"colour": GAINED if difference >= 0 else LOST, "opacity": 0.9 if sure else 0.35}
    return bar | {"label": CAUSES[cause], "what": what, "words": describe(answer.named, words)}


def _chart(bars: Sequence[dict[str, Any]], heading: str, title: Spec | None) -> Spec:
    width, height = CONTENT - 12, HEAD + PITCH * len(bars)
    placed = []
    for number, bar in enumerate(bars):
        top = HEAD + PITCH * number
        placed.append(bar | {"head": top + 6, "sub": top + 19, "py": top + 28, "py2": top + 28 + BAR})
    domain = _domain(bars)
    x = x_axis(domain, say("accuracy in percent"), tickCount=5, format=".4~f")
    style = {"color": as_is("colour"), "opacity": as_is("opacity"), "description": WORDS}
    box = {"x": x, "x2": {"field": "start"}, "y": TOP, "y2": {"field": "py2"}}
    middle = [row | {"py": row["py"] + BAR / 2} for row in placed if row["low"] < row["high"]]
    ends = {"x": field("low"), "x2": {"field": "high"}, "y": TOP}
    layers = [
        *([grid_rows([row["py2"] + 5 for row in placed[:-1]], width)] if placed[1:] else []),
        layer("rect", placed, box | style),
        *([layer("rule", middle, ends, color=INK, clip=True)] if middle else []),
        texts([{"px": 0, "py": HEAD / 2 - 6, "text": heading}], color=FAINT, fontStyle="italic"),
        texts([{"px": 0, "py": row["head"], "text": row["label"]} for row in placed]),
        texts([{"px": width, "py": row["head"], "text": row["interval"]} for row in placed], "right"),
        texts([{"px": 0, "py": row["sub"], "text": row["what"]} for row in placed], color=FAINT, limit=width),
    ]
    return finished(layers, (width, height), title)


def _domain(bars: Sequence[Row]) -> tuple[float, float]:
    """Limits that hold all bars; intervals fit as far as they do not squeeze the bars."""
    ends = [bar[side] for bar in bars for side in ("start", "x")]
    low, high = min(ends), max(ends)
    room = 0.3 * max(high - low, 0.1)
    low = min(low, max(min(bar["low"] for bar in bars), low - room))
    high = max(high, min(max(bar["high"] for bar in bars), high + room))
    pad = 0.04 * max(high - low, 0.1)
    return low - pad, min(high + pad, 100.0 + pad)
