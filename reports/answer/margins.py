"""The section on 'without loss of accuracy'."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.formatting import MISSING, counted, is_missing, or_missing, percent
from prunebench.reports.ordering import DENSE, DENSE_CONTINUED, METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.row_text import difference_cell, keep_of_metric
from prunebench.reports.statistics.intervals import LEVEL

TITLE = "How much can go without loss of accuracy?"
ERROR = (1 - LEVEL) / 2  # of the one-sided test of a claim
AGAINST = {DENSE: "beside the dense network", DENSE_CONTINUED: "beside `dense_continued`"}
HOW = (
    "'Without loss' is shown where the 95 % interval of the paired difference lies above -{margin:g} points, a margin "
    "to be chosen before looking (`--margin`). Keeps are tested from the largest down, and the first that fails, or of "
    "which a seed did not come out, ends it."
)


def margins_section(margins: pd.DataFrame, held: pd.DataFrame, demonstration: bool) -> Section:
    """Tabulate for each criterion the smallest keep at which it is non-inferior, then every keep."""
    if demonstration or not len(held):
        why = "a demonstration makes no such claim" if demonstration else "nothing to test"
        return Section(TITLE, (), f"Not tested: {why}.")
    text = HOW.format(margin=100 * float(held["margin"].iloc[0]))
    notes = (Text(text), Text(_limits_of_claims(held)))
    return Section(TITLE, (*notes, *_smallest_keeps(held), _margins_table(margins)), name="without-loss")


def _limits_of_claims(held: pd.DataFrame) -> str:
    """Say what the claims do not exclude, and how likely some of them is wrong."""
    number = int((held["n"] > 1).sum())
    some = f"; {number} such claims hold together but for {percent(min(1.0, ERROR * number), 1)}" if number > 1 else ""
    return (
        "The claim is about the mean and does not exclude rare collapses: beside each claim stands how many seeds lost "
        "more than the margin, and up to how many runs may (95 % confidence). Each criterion and reference is tested "
        f"by itself and is wrong with a probability of at most {percent(ERROR, 1)}{some}."
    )


def _smallest_keeps(held: pd.DataFrame) -> Iterator[Table]:
    """Give one table for each task, ranking and metric: criteria, and what each reference allows."""
    for (task, ranking, metric), part in held.groupby(PANEL_COLUMNS, sort=False):
        references = [name for name in AGAINST if name in set(part["reference"])]
        found = {(row["criterion"], row["reference"]): row for row in part.to_dict("records")}
        rows = tuple(
            (str(name), *(_claim(found.get((name, reference))) for reference in references))
            for name in dict.fromkeys(part["criterion"])
        )
        caption = f"{task}, {ranking} ranking: smallest keep of the {METRIC_WORDS[metric]} without loss"
        yield Table(caption, ("criterion", *(AGAINST[name] for name in references)), rows, 3, True, task=str(task))


def _claim(row: dict[Any, Any] | None) -> str:
    """Write the smallest keep that holds, with the seeds that lost more and the share of runs that may."""
    if row is None:
        return MISSING
    if row["n"] < 2:
        return "one seed shows nothing"
    if pd.isna(row["smallest_keep"]) and not pd.isna(row["failed_at"]):
        return f"none: seeds failed at {row['failed_at']:g}"
    if pd.isna(row["smallest_keep"]):
        return "none"
    removed = f"{percent(1 - row['params_kept'], 0)} of the parameters removed"
    seeds = f"{row['lost']:g} of {counted(row['n'], 'seed')} lost more, up to {percent(row['may_lose'], 0)} of runs may"
    return f"{row['smallest_keep']:g} ({removed}; {seeds})"


def _margins_table(margins: pd.DataFrame) -> Table:
    header = (
        *("task", "ranking", "criterion", "keep", "reference", "n", "difference in points"),
        *("non-inferior", "p", "equivalent", "lost more (may)"),
    )
    caption = (
        "Every keep. equivalent: the whole interval lies within the margin, on both sides. p: one-sided t test, not "
        "corrected. lost more (may): seeds that lost more than the margin, and the largest share of runs that may."
    )
    rows = tuple(_margin_row(row) for row in margins.to_dict("records"))
    return Table(caption, header, rows, text_columns=5, folded=True)


def _margin_row(row: dict[Any, Any]) -> tuple[str, ...]:
    where = (row["task"], row["ranking"], row["criterion"], keep_of_metric(row), row["reference"], str(row["n"]))
    tested = (_yes_or_no(row["noninferior"]), or_missing(row["p_noninferior"], ".3g"), _yes_or_no(row["equivalent"]))
    return (*where, difference_cell(row), *tested, f"{row['lost']} ({percent(row['may_lose'], 0)})")


def _yes_or_no(value: Any) -> str:
    return MISSING if is_missing(value) else ("yes" if value else "no")
