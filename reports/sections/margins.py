"""The section on 'without loss of accuracy'."""

from typing import Any

import pandas as pd

from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import MISSING, counted, is_missing, or_missing, percent
from prunebench.reports.ordering import DENSE, DENSE_CONTINUED
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.row_text import difference_cell, keep_of_metric
from prunebench.reports.statistics.intervals import LEVEL

ERROR = (1 - LEVEL) / 2  # of the one-sided test of a claim
AGAINST = {
    DENSE: "against the dense network before pruning",
    DENSE_CONTINUED: "against the dense network trained as long (`dense_continued`)",
}


def margins_section(margins: pd.DataFrame, held: pd.DataFrame, demonstration: bool, condition: str = "") -> Section:
    """Say for each criterion the smallest keep at which it is non-inferior, then tabulate every keep.

    condition: what the claims depend on; see `assembly.checkpoint_condition`.
    """
    title = "Without loss of accuracy"
    if demonstration or not len(held):
        why = "a demonstration makes no such claim" if demonstration else "nothing to test"
        return Section(title, (), f"Not tested: {why}.")
    margin = 100 * float(held["margin"].iloc[0])
    text = (
        f"Non-inferior: the 95 % interval of the paired difference lies above -{margin:g} points, a margin to be "
        "chosen before looking (`--margin`). A difference that is merely not significant would not show it. Keeps are "
        "tested from the largest down, and the first that fails, or of which a seed did not come out, ends it."
    )
    lines = [
        f"{task}, {ranking} ranking, {AGAINST[str(reference)]}: {_smallest_keeps_text(part)}."
        for (task, ranking, _, reference), part in held.groupby([*PANEL_COLUMNS, "reference"], sort=False)
    ]
    notes = (text, _limits_of_claims(held), condition)
    return Section(title, (*(Text(note) for note in notes if note), Items(tuple(lines)), _margins_table(margins)))


def _limits_of_claims(held: pd.DataFrame) -> str:
    """Say what the claims do not exclude, and how likely some of them is wrong."""
    number = int((held["n"] > 1).sum())
    some = f"; {number} such claims hold together but for {percent(min(1.0, ERROR * number), 1)}" if number > 1 else ""
    return (
        "The claim is about the mean and does not exclude rare collapses: beside each claim stands how many seeds lost "
        "more than the margin, and up to how many runs may (95 % confidence). Each criterion and reference is tested "
        f"by itself and is wrong with a probability of at most {percent(ERROR, 1)}{some}."
    )


def _smallest_keeps_text(part: pd.DataFrame) -> str:
    rows = part.to_dict("records")
    if all(row["n"] < 2 for row in rows):
        return "one seed shows nothing"
    lowest: dict[str, list[str]] = {}
    for row in rows:
        lowest.setdefault(_smallest_keep_text(row), []).append(f"`{row['criterion']}`")
    return "; ".join(f"{where}: {', '.join(names)}" for where, names in lowest.items())


def _smallest_keep_text(row: dict[Any, Any]) -> str:
    if pd.isna(row["smallest_keep"]) and not pd.isna(row["failed_at"]):
        return f"at no keep, seeds failed at {row['failed_at']:g}"
    if pd.isna(row["smallest_keep"]):
        return "at no keep"
    removed = f"{percent(1 - row['params_kept'], 0)} of the parameters removed"
    lost = f"{row['lost']:g}" if row["lost"] else "none"
    seeds = f"of {counted(row['n'], 'seed')} {lost} lost more than the margin"
    return (
        f"down to keep {row['smallest_keep']:g} ({removed}; {seeds}, up to {percent(row['may_lose'], 0)} of runs may)"
    )


def _margins_table(margins: pd.DataFrame) -> Table:
    rows = tuple(
        (
            *(
                r["task"],
                r["ranking"],
                r["criterion"],
                keep_of_metric(r),
                r["reference"],
                str(r["n"]),
                difference_cell(r),
            ),
            *(_yes_or_no(r["noninferior"]), or_missing(r["p_noninferior"], ".3g"), _yes_or_no(r["equivalent"])),
            f"{r['lost']} ({percent(r['may_lose'], 0)})",
        )
        for r in margins.to_dict("records")
    )
    header = (
        *("task", "ranking", "criterion", "keep", "reference", "n", "difference in points"),
        *("non-inferior", "p", "equivalent", "lost more (may)"),
    )
    caption = (
        "equivalent: the whole interval lies within the margin, on both sides. p: one-sided t test, not corrected. "
        "lost more (may): seeds that lost more than the margin, and the largest share of runs that may."
    )
    return Table(caption, header, rows, text_columns=5, folded=True)


def _yes_or_no(value: Any) -> str:
    return MISSING if is_missing(value) else ("yes" if value else "no")
