"""The section on separation of causes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from prunebench.reports.analysis.causes import CAUSES, FAILED, NOT_RUN
from prunebench.reports.document import Items, Part, Section, Table, Text
from prunebench.reports.formatting import signed_points
from prunebench.reports.language.message import SEMICOLON, Message, joined, say
from prunebench.reports.ordering import METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS, Point
from prunebench.reports.row_text import difference_cell, keep_of_metric

MEANING = {
    "units": say("units: X against random units in the same widths (`shuffle:X`; under `local` ranking also `random`)"),
    "weights": say("weights: X against the same widths with fresh weights, trained for the whole budget (`scratch:X`)"),
    "pruning": say("pruning: X against the network that was not pruned but trained as long (`dense_continued`)"),
    "training": say(
        "training: `dense_continued` against the dense network it began with, what the extra epochs gave alone"
    ),
    "allocation": say("allocation: X against X under `local` ranking, the same score with other widths"),
    "combination": say(
        "combination: A+B against A and B alone; against the part with the regulariser: what the other's score did; "
        "against that other: what the regulariser did"
    ),
}
CAUSE_WORDS = {
    "units": say("units"),
    "weights": say("weights"),
    "pruning": say("pruning"),
    "training": say("training"),
    "allocation": say("allocation"),
    "combination": say("combination"),
}
TITLE = say("What caused it?")


def causes_section(causes: pd.DataFrame, unpaired: Iterable[tuple[Point, str, str]]) -> Section:
    """Say for each cause the range of its differences, list the comparisons that are lacking, then tabulate all.

    unpaired: as `causes.parts_without_pair`.
    """
    paired = causes[causes["n"] > 0]
    missing = tuple(_missing_comparisons(unpaired))
    gaps: list[Part] = []
    if missing:
        gaps = [Text(say("Comparisons that are lacking:")), Items(missing)]
    if not len(paired):
        why = say("No control was run that would separate causes.")
        return Section(TITLE, (Text(why), *gaps)) if gaps else Section(TITLE, (), why)
    ranges = tuple(
        (str(task), str(ranking), CAUSE_WORDS[str(cause)], _range_of_differences(part))
        for (task, ranking, cause), part in paired.groupby([*PANEL_COLUMNS[:2], "cause"], sort=False)
    )
    rows = tuple(
        (
            r["task"],
            r["ranking"],
            CAUSE_WORDS[r["cause"]],
            r["criterion"],
            _reference(r),
            keep_of_metric(r),
            str(r["n"]),
            difference_cell(r),
        )
        for r in paired.to_dict("records")
    )
    where = (say("task"), say("ranking"), say("cause"))
    header = (*where, say("criterion"), say("reference"), say("keep"), "n", say("difference in points"))
    meaning = tuple(MEANING[cause] for cause in CAUSES if cause in set(paired["cause"]))
    table = Table(
        say("Each comparison, paired, with 95 % t interval; not corrected."),
        header,
        rows,
        6,
        folded=True,
    )
    spans = Table(say("By cause."), (*where, say("differences in points")), ranges, 4, folded=True)
    return Section(TITLE, (Items(meaning), *gaps, spans, table), name="causes")


def _missing_comparisons(unpaired: Iterable[tuple[Point, str, str]]) -> Iterator[str]:
    keeps: dict[tuple[Point, str, str], list[str]] = {}
    for point, part, why in unpaired:
        keeps.setdefault((point._replace(keep=0.0), part, why), []).append(f"{point.keep:g}")
    for (point, part, why), found in keeps.items():
        where = {"task": point.task, "ranking": point.ranking, "keeps": joined(found)}
        where |= {"metric": METRIC_WORDS[point.metric], "criterion": point.criterion, "part": part}
        yield _missing_comparison(why, where)


def _missing_comparison(why: str, where: Mapping[str, str]) -> Message:
    if why == FAILED:
        return say(
            "{task}, {ranking} ranking, keep {keeps} {metric}: `{criterion}` is not compared with `{part}`, which "
            "failed",
            **where,
        )
    if why == NOT_RUN:
        return say(
            "{task}, {ranking} ranking, keep {keeps} {metric}: `{criterion}` is not compared with `{part}`, which was "
            "not run",
            **where,
        )
    return say(
        "{task}, {ranking} ranking, keep {keeps} {metric}: `{criterion}` is not compared with `{part}`, which has no "
        "seed in common",
        **where,
    )


def _range_of_differences(part: pd.DataFrame) -> str:
    low, high = signed_points(part["difference"].min()), signed_points(part["difference"].max())
    tested = part[part["high"] > part["low"]]  # equal differences have no meaningful interval
    above, below = int((tested["low"] > 0).sum()), int((tested["high"] < 0).sum())
    if len(part) == 1:
        span = say("{difference} points", difference=low)
    else:
        span = say("{low} to {high} points over {cells} cells", low=low, high=high, cells=len(part))
    return joined((span, _intervals(len(tested), above, below)), SEMICOLON)


def _intervals(tested: int, above: int, below: int) -> Message:
    """Say where so many intervals lie."""
    if not tested:
        return say("one seed, or all equal: no interval")
    if tested > 1:
        return say("of {tested} intervals {above} above zero, {below} below", tested=tested, above=above, below=below)
    if above:
        return say("its interval lies above zero")
    return say("its interval lies below zero") if below else say("its interval contains zero")


def _reference(row: dict[Any, Any]) -> str:
    of_ranking = "" if row["reference_ranking"] == row["ranking"] else f" ({row['reference_ranking']})"
    return f"{row['reference']}{of_ranking}"
