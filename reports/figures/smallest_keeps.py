"""The smallest keep of every criterion that loses no more than the margin."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from prunebench.reports.figures.drawing import FAINT, Drawing, Spec, describe
from prunebench.reports.figures.marks import (
    CONTENT,
    Row,
    finished,
    grid_rows,
    in_table_order,
    look,
    name_width,
    panel_titles,
    row_names,
    split_panels,
    symbols,
    texts,
    upright,
    x_axis,
)
from prunebench.reports.figures.scales import thinned
from prunebench.reports.formatting import is_missing, percent
from prunebench.reports.language.message import SEMICOLON, joined, say, say_many
from prunebench.reports.ordering import DENSE, DENSE_CONTINUED, METRIC_WORDS

TITLE = say(
    "Smallest keep at which a criterion loses no more than the margin; further left is better. A cross at the right "
    "edge: at no keep."
)
TITLE_OF_TWO = say(
    "Smallest keep at which a criterion loses no more than the margin; further left is better. Filled: against the "
    "dense network; hollow: against that network trained as long. A cross at the right edge: at no keep."
)
LABEL = "format(100 * datum.value, '.3~r') + ' %'"
MANY = 20
CROSS = "M-0.8,-0.8L0.8,0.8M-0.8,0.8L0.8,-0.8"


def smallest_keeps_drawing(smallest_keeps: pd.DataFrame) -> Drawing | None:
    """Draw the table of this name, a panel per task, ranking and metric. None where no keep was tested."""
    panels = split_panels(smallest_keeps)
    if not panels:
        return None
    titles = panel_titles(panels)
    charts = tuple((panel[0], _chart(rows, titles[panel])) for panel, rows in panels.items())
    title = TITLE_OF_TWO if DENSE_CONTINUED in set(smallest_keeps["reference"]) else TITLE
    return Drawing("smallest_keeps", title, charts, in_table_order(smallest_keeps["criterion"]))


def _chart(rows: Sequence[Row], title: Spec | None) -> Spec:
    names = in_table_order(row["criterion"] for row in rows)
    pitch = 20 if len(names) <= MANY else 16  # px from row to row
    left, height = name_width(names), pitch * len(names)
    width = CONTENT - left - 22
    tested = sorted({keep for row in rows for keep in (row["smallest_keep"], row["tested_to"]) if not is_missing(keep)})
    low, high = tested[0], max([*tested, 1.0])
    edge = high * (high / low) ** 0.12
    domain = (low / (high / low) ** 0.06, edge * (high / low) ** 0.06)
    places = {name: pitch * (number + 0.5) for number, name in enumerate(names)}
    marks = list(_marks(rows, places, edge, pitch * 0.22))
    metric = METRIC_WORDS[rows[0]["metric"]]
    ticks = thinned(tested, (domain[1] / domain[0]) ** (40 / width))
    name = say("{metric} kept", metric=metric)
    axis = x_axis(domain, name, kind="log", values=ticks, labelExpr=LABEL)
    layers = [
        grid_rows([*places.values()], width),
        upright(edge, height, strokeDash=[1, 2]),
        symbols(marks, axis, size=52 if pitch == 20 else 36),
        row_names(places.items()),
        texts([{"px": width, "py": -8, "text": say("at no keep")}], "right", color=FAINT, fontStyle="italic"),
    ]
    return finished(layers, (width, height), title)


def _marks(rows: Sequence[Row], places: dict[str, float], edge: float, apart: float) -> Iterator[dict[str, Any]]:
    """Give one mark per row: above the middle against the dense network, below it against that trained as long.

    apart: pixels of both from the middle.
    """
    both = {row["reference"] for row in rows} == {DENSE, DENSE_CONTINUED}
    for row in rows:
        against_dense = row["reference"] == DENSE
        style = look(row["criterion"], against_dense)
        if is_missing(row["smallest_keep"]):
            style |= {"shape": CROSS, "fill": "none"}
        shift = 0.0 if not both else -apart if against_dense else apart
        at = edge if is_missing(row["smallest_keep"]) else row["smallest_keep"]
        yield style | {"x": at, "py": places[row["criterion"]] + shift, "words": _words(row)}


def _words(row: Row) -> str:
    against_dense = row["reference"] == DENSE
    beside = DENSE if against_dense else say("{control}, trained as long", control=DENSE_CONTINUED)
    margin = say("{margin} points against {reference}", margin=format(100 * row["margin"], "g"), reference=beside)
    claim = _never(row, margin) if is_missing(row["smallest_keep"]) else _down_to(row, margin)
    seeds = say_many("{number} seed", "{number} seeds", int(row["n"]))
    words = say("{criterion}: {claim}, {seeds}", criterion=row["criterion"], claim=claim, seeds=seeds)
    return describe(row["criterion"], words)


def _never(row: Row, margin: str) -> str:
    none = say("at no keep down to {keep} shown to lose at most {margin}", keep=_g(row["tested_to"]), margin=margin)
    failed = [] if is_missing(row["failed_at"]) else [say("a seed failed at {keep}", keep=_g(row["failed_at"]))]
    return joined((none, *failed), SEMICOLON)


def _down_to(row: Row, margin: str) -> str:
    return say(
        "loses at most {margin} down to keep {keep} ({share} of the parameters)",
        margin=margin,
        keep=_g(row["smallest_keep"]),
        share=percent(row["params_kept"], 1),
    )


def _g(value: float) -> str:
    return format(value, "g")
