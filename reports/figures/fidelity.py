"""How well scores agree with the true change of the loss, and what a score costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from prunebench.reports.analysis.fidelity import ORACLE, REACHABLE, WITHIN
from prunebench.reports.figures.drawing import FAINT, INK, Drawing, Spec, describe
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
    spans,
    symbols,
    texts,
    upright,
    x_axis,
)
from prunebench.reports.formatting import correlation_with_half, duration, is_missing
from prunebench.reports.language.message import joined, say, say_many
from prunebench.reports.ordering import RANDOM

TITLE = say(
    "Agreement of scores with the true change of the loss when a unit is removed: Spearman's rho, mean over layers, "
    "with 95 % intervals over seeds. The line 'reachable' is about the most that the noise of the measurement allows."
)
MAIN, SIZE = "signed", "absolute"  # the truths: removed first is what costs least, so the sign counts
PRICE, MANY = 58, 20  # px of the column of costs; rows from which they are set closer


def fidelity_drawing(fidelity: pd.DataFrame, prices: pd.DataFrame) -> Drawing | None:
    """Draw the agreement of every criterion: a panel per task. None where no agreement was measured.

    fidelity, prices: the tables of these names. The cost is the seconds of one scoring, or where these are not known
    the multiple of a plain pass over the same pictures.
    """
    rows = fidelity[(fidelity["layer"] == WITHIN) & fidelity["spearman"].notna()] if len(fidelity) else fidelity
    drawn = rows[~rows["criterion"].isin(ORACLE)] if len(rows) else rows
    if not len(drawn):
        return None
    tasks = list(dict.fromkeys(drawn["task"]))
    titles = panel_titles((str(task), "", "macs") for task in tasks)
    charts = tuple(
        (str(task), _chart(rows[rows["task"] == task], prices, titles[str(task), "", "macs"])) for task in tasks
    )
    return Drawing("fidelity", TITLE, charts, in_table_order(drawn["criterion"]))


def _chart(part: pd.DataFrame, prices: pd.DataFrame, title: Spec | None) -> Spec:
    known = {(row["criterion"], row["truth"]): row for row in part.to_dict("records")}
    names = in_table_order(name for name, _ in known if name not in ORACLE)
    left, pitch = name_width(names), 18 if len(names) <= MANY else 15
    width, height = CONTENT - left - PRICE, pitch * len(names)
    places = {name: pitch * (number + 0.5) for number, name in enumerate(names)}
    marks = [_mark(known, name, y) for name, y in places.items() if (name, MAIN) in known]
    lowest = min([0.0, *(mark["x"] for mark in marks)])
    domain = (lowest - 0.06 * (1 - lowest), 1.02)
    costs = [{"px": width + 8, "py": y, "text": _cost(known, prices, name)} for name, y in places.items()]
    layers = [
        grid_rows([*places.values()], width),
        upright(0, height, color=INK),
        *_limits(known, domain, (width, height)),
        *_intervals(marks, domain),
        symbols(marks, x_axis(domain, say("agreement (Spearman's rho)"), tickCount=5, format=".2~f")),
        row_names(places.items()),
        texts([*costs, {"px": width + 8, "py": -9, "text": say("cost")}], color=FAINT),
    ]
    return finished(layers, (width, height), title)


def _mark(known: Mapping[tuple[str, str], Row], name: str, y: float) -> dict[str, Any]:
    row, beside = known[name, MAIN], known.get((name, SIZE))
    rho, half = float(row["spearman"]), row["spearman_half"]
    spread = 0.0 if is_missing(half) else float(half)
    words = [say("{name}: rho {rho} with the change of the loss", name=name, rho=correlation_with_half(rho, half))]
    if beside is not None:
        size = correlation_with_half(beside["spearman"], beside["spearman_half"])
        words.append(say("{rho} with its size alone", rho=size))
    words.append(say_many("{number} seed", "{number} seeds", int(row["n"])))
    mark = {"x": rho, "low": rho - spread, "high": rho + spread, "py": y, "words": describe(name, joined(words))}
    return look(name) | mark


def _intervals(marks: Sequence[dict[str, Any]], domain: tuple[float, float]) -> list[Spec]:
    wide = [
        mark | {"low": max(mark["low"], domain[0]), "high": min(mark["high"], domain[1])}
        for mark in marks
        if mark["low"] < mark["high"]
    ]
    return [spans(wide)] if wide else []


def _limits(known: Mapping[tuple[str, str], Row], domain: tuple[float, float], size: tuple[float, float]) -> list[Spec]:
    """Mark the most that a score could reach, and what random scores have."""
    width, height = size
    layers = []
    for criterion, word, dash in ((REACHABLE, say("reachable"), [1, 0]), (RANDOM, RANDOM, [5, 3])):
        row = known.get((criterion, MAIN))
        if row is None:
            continue
        rho = min(float(row["spearman"]), 1.0)
        layers.append(upright(rho, height, strokeWidth=1.5, strokeDash=dash))
        place = width * (rho - domain[0]) / (domain[1] - domain[0])
        align = "right" if criterion == REACHABLE else "left"
        layers.append(texts([{"px": place, "py": -9, "text": word}], align, color=FAINT, fontStyle="italic"))
    return layers


def _cost(known: Mapping[tuple[str, str], Row], prices: pd.DataFrame, name: str) -> str:
    row = known.get((name, MAIN)) or known[name, SIZE]
    if not is_missing(row["seconds"]):
        return duration(float(row["seconds"]))
    model = str(row["task"]).partition(" x ")[2].partition(",")[0].partition(" ")[0]
    same = prices[(prices["model"] == model) & (prices["criterion"] == name)] if len(prices) else prices
    return f"{float(same['ratio'].iloc[0]):.3g}x" if len(same) else "-"
