"""The section on 'without loss of accuracy'."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.formatting import MISSING, is_missing, or_missing, percent
from prunebench.reports.language.message import SPACE, Message, joined, say, say_many
from prunebench.reports.ordering import DENSE, DENSE_CONTINUED, METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.row_text import difference_cell, keep_of_metric
from prunebench.reports.statistics.intervals import LEVEL

TITLE = say("How much can go without loss of accuracy?")
DEMONSTRATION = say("Not tested: a demonstration makes no such claim.")
NOTHING = say("Not tested: nothing to test.")
ERROR = (1 - LEVEL) / 2  # of the one-sided test of a claim
AGAINST = {DENSE: say("beside the dense network"), DENSE_CONTINUED: say("beside `dense_continued`")}


def margins_section(margins: pd.DataFrame, held: pd.DataFrame, demonstration: bool) -> Section:
    """Tabulate for each criterion the smallest keep at which it is non-inferior, then every keep."""
    if demonstration or not len(held):
        return Section(TITLE, (), DEMONSTRATION if demonstration else NOTHING)
    notes = (Text(_how(held)), Text(_limits_of_claims(held)))
    return Section(TITLE, (*notes, *_smallest_keeps(held), _margins_table(margins)), name="without-loss")


def _how(held: pd.DataFrame) -> Message:
    floor = format(-100 * float(held["margin"].iloc[0]), "g")
    return say(
        "'Without loss' is shown where the 95 % interval of the paired difference lies above {floor} points, a "
        "margin to be chosen before looking (`--margin`). Keeps are tested from the largest down, and the first that "
        "fails, or of which a seed did not come out, ends it.",
        floor=floor,
    )


def _limits_of_claims(held: pd.DataFrame) -> str:
    """Say what the claims do not exclude, and how likely some of them is wrong."""
    claims = int((held["n"] > 1).sum())
    limits = say(
        "The claim is about the mean and does not exclude rare collapses: beside each claim stands how many seeds lost "
        "more than the margin, and up to how many runs may (95 % confidence)."
    )
    if claims < 2:
        wrong = say(
            "Each criterion and reference is tested by itself and is wrong with a probability of at most {error}.",
            error=percent(ERROR, 1),
        )
    else:
        wrong = say(
            "Each criterion and reference is tested by itself and is wrong with a probability of at most {error}; "
            "{claims} such claims hold together but for {together}.",
            error=percent(ERROR, 1),
            claims=claims,
            together=percent(min(1.0, ERROR * claims), 1),
        )
    return joined((limits, wrong), SPACE)


def _smallest_keeps(held: pd.DataFrame) -> Iterator[Table]:
    """Give one table for each task, ranking and metric: criteria, and what each reference allows."""
    for (task, ranking, metric), part in held.groupby(PANEL_COLUMNS, sort=False):
        references = [name for name in AGAINST if name in set(part["reference"])]
        found = {(row["criterion"], row["reference"]): row for row in part.to_dict("records")}
        rows = tuple(
            (str(name), *(_claim(found.get((name, reference))) for reference in references))
            for name in dict.fromkeys(part["criterion"])
        )
        caption = say(
            "{task}, {ranking} ranking: smallest keep of the {metric} without loss",
            task=task,
            ranking=ranking,
            metric=METRIC_WORDS[metric],
        )
        yield Table(caption, (say("criterion"), *(AGAINST[name] for name in references)), rows, 3, True, task=str(task))


def _claim(row: dict[Any, Any] | None) -> str:
    """Write the smallest keep that holds, with the seeds that lost more and the share of runs that may."""
    if row is None:
        return MISSING
    if row["n"] < 2:
        return say("one seed shows nothing")
    if pd.isna(row["smallest_keep"]) and not pd.isna(row["failed_at"]):
        return say("none: seeds failed at {keep}", keep=format(row["failed_at"], "g"))
    if pd.isna(row["smallest_keep"]):
        return say("none")
    return say_many(
        "{keep} ({removed} of the parameters removed; {lost} of {number} seed lost more, up to {may_lose} of runs may)",
        "{keep} ({removed} of the parameters removed; {lost} of {number} seeds lost more, up to {may_lose} of runs "
        "may)",
        row["n"],
        keep=format(row["smallest_keep"], "g"),
        removed=percent(1 - row["params_kept"], 0),
        lost=format(row["lost"], "g"),
        may_lose=percent(row["may_lose"], 0),
    )


def _margins_table(margins: pd.DataFrame) -> Table:
    header = (
        *(say("task"), say("ranking"), say("criterion"), say("keep"), say("reference"), "n"),
        *(say("difference in points"), say("non-inferior"), "p", say("equivalent"), say("lost more (may)")),
    )
    caption = say(
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
    return MISSING if is_missing(value) else (say("yes") if value else say("no"))
