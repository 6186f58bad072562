"""The sections on whole accuracy-compression curves and on Pareto fronts."""

from typing import Any

import pandas as pd

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.formatting import MISSING, accuracy_with_half, is_missing, percent
from prunebench.reports.language.message import joined, say
from prunebench.reports.ordering import METRIC_WORDS
from prunebench.reports.row_text import difference_cell, verdict_cell
from prunebench.reports.sections.comparison import bound_note

COST_WORDS = {str(word): word for word in METRIC_WORDS.values()}


def areas_section(areas: pd.DataFrame, demonstration: bool) -> Section:
    """Tabulate the area under each accuracy-compression curve, with the verdicts of the declared contrasts."""
    title = say("Whole curves")
    if not len(areas):
        return Section(title, (), say("One keep makes no curve."))
    rows = []
    for r in areas.to_dict("records"):
        paired = not is_missing(r.get("reference"))
        mean = accuracy_with_half(r["area"], r["area_half"])
        where = (r["task"], r["ranking"], r["criterion"], str(r["seeds"]), mean)
        pair = (str(r["reference"]), difference_cell(r)) if paired else (MISSING, MISSING)
        tested = not demonstration and not is_missing(r.get("verdict"))
        rows.append((*where, *pair, _verdict(r) if tested else MISSING))
    ends = joined(
        say(
            "{task}: {low} to {high}",
            task=task,
            low=percent(part["from_keep"].iloc[0], 1),
            high=percent(part["to_keep"].iloc[0], 1),
        )
        for task, part in areas.groupby("task", sort=False)
    )
    text = say(
        "The accuracy averaged over the logarithm of the MACs kept (single weights: of the weights kept), over the "
        "range that all criteria of a task reached ({ends}): one number for all keeps, at equal achieved ones.",
        ends=ends,
    )
    header = (
        *(say("task"), say("ranking"), say("criterion"), say("seeds"), say("mean accuracy")),
        *(say("reference"), say("difference in points"), say("verdict")),
    )
    table = Table(say("Mean over seeds ± half of the 95 % t interval."), header, tuple(rows), 3)
    return Section(title, (Text(text), table, *bound_note(table)))


def _verdict(row: dict[Any, Any]) -> str:
    p = row.get("p_adjusted")
    if is_missing(p):
        return verdict_cell(row)
    return say("{verdict} (p, adjusted: {p})", verdict=verdict_cell(row), p=format(p, ".2g"))


def fronts_section(fronts: pd.DataFrame) -> Section:
    """Tabulate for every cost the points that no other beats."""
    title = say("Pareto fronts")
    if not len(fronts):
        return Section(title, (), say("There is nothing to compare."))
    rows = tuple(
        (
            *(r["task"], COST_WORDS[r["cost"]], percent(r["kept"], 1)),
            *(f"{r['criterion']}, {r['ranking']}", accuracy_with_half(r["accuracy"], None)),
        )
        for r in fronts[fronts["on_front"]].to_dict("records")
    )
    text = say("By means over seeds: neighbours on a front need not differ. Controls are left out.")
    header = (say("task"), say("cost"), say("kept"), say("criterion, ranking"), say("accuracy in %"))
    return Section(title, (Text(text), Table(say("Points that no other beats in accuracy and cost."), header, rows, 2)))
