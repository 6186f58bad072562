"""The table of the declared contrasts: interval, effect size, test and verdict of each."""

from typing import Any

import pandas as pd

from prunebench.reports.document import Part, Table, Text
from prunebench.reports.formatting import MISSING, interval_ends, is_missing, or_missing, percent, signed_interval
from prunebench.reports.language.message import SPACE, joined, say
from prunebench.reports.ordering import METRIC_WORDS, cost_metric
from prunebench.reports.row_text import difference_cell, row_interval, verdict_cell

NOTE = say(
    "Primary contrasts, declared beforehand. Difference in points over n paired seeds with its 95 % t interval, which "
    "covers too little where half of the seeds tie or more; "
    "'seeds x pictures': the interval if other test pictures had been drawn as well, never narrower and often the "
    "same; g: Hedges' g of the paired differences; "
    "P(better): share of seeds in which the criterion is the better one, with exact interval; p: exact "
    "sign-flip permutation test of this contrast alone; p, adjusted: of the joint test of all contrasts of a task and "
    "ranking, with the smallest that the seeds that differ can give. 'On these test pictures': the interval over seeds "
    "and pictures contains zero."
)
HEADER = (say("keep"), say("criterion"), say("against"), "n", say("difference"), say("seeds x pictures"))
TESTS = ("g", say("P(better)"), "p", say("p, adjusted (smallest)"), say("verdict"))


def contrast_blocks(part: pd.DataFrame, demonstration: bool) -> list[Part]:
    """Tabulate the primary rows of one task, ranking and metric. A demonstration has no tests."""
    primary = part[part["primary"].astype(bool)]
    if not len(primary):
        return []
    rows = tuple(_row(row, demonstration) for row in primary.to_dict("records"))
    header = HEADER if demonstration else (*HEADER, *TESTS)
    table = Table(say("Primary contrasts of the fine-tuned accuracy."), header, rows, text_columns=3)
    return [table] if demonstration else [table, Text(NOTE)]


def _row(row: dict[Any, Any], demonstration: bool) -> tuple[str, ...]:
    cells = (
        f"{row['keep']:g}",
        row["criterion"],
        row["reference"],
        str(row["n"]),
        difference_cell(row),
        crossed_cell(row),
    )
    if demonstration:
        return cells
    return (
        *cells,
        or_missing(row.get("g"), ".2f"),
        _superiority_cell(row),
        or_missing(row.get("p"), ".3g"),
        _adjusted_cell(row),
        _verdict_with_note(row),
    )


def _verdict_with_note(row: dict[Any, Any]) -> str:
    """Write the verdict; where budgets differ, with the difference at a cost that both reached."""
    if is_missing(row.get("equal_keep")):
        return verdict_cell(row)
    note = say(
        "({difference} where both keep {share} of the {metric}, interpolated)",
        difference=signed_interval(row_interval(row, prefix="equal_")),
        share=percent(row["equal_keep"], 0),
        metric=METRIC_WORDS[cost_metric(row["metric"])],
    )
    return joined((verdict_cell(row), note), SPACE)


def crossed_cell(row: dict[Any, Any]) -> str:
    """Write the interval over seeds and test pictures in points."""
    if is_missing(row.get("crossed_low")):
        return MISSING
    text = interval_ends(row["crossed_low"], row["crossed_high"])
    return say("{interval} pictures only", interval=text) if row["n"] == 1 else text


def _superiority_cell(row: dict[Any, Any]) -> str:
    if is_missing(row.get("superiority")):
        return MISSING
    return f"{row['superiority']:.2f} [{row['superiority_low']:.2f}, {row['superiority_high']:.2f}]"


def _adjusted_cell(row: dict[Any, Any]) -> str:
    return MISSING if is_missing(row.get("p_adjusted")) else f"{row['p_adjusted']:.3g} ({row['smallest_p']:.2g})"
