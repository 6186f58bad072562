"""The section on verdicts: differences that the tests find, those that they do not, and the seeds that would."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from prunebench.reports.analysis.verdicts import ALPHA, BETTER, OPEN, TIED, TOO_FEW, WORSE
from prunebench.reports.document import Items, Part, Section, Text
from prunebench.reports.formatting import counted, is_missing, percent, signed_interval
from prunebench.reports.ordering import METRIC_WORDS, cost_metric
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.row_text import row_interval, tie_note
from prunebench.reports.statistics.sign_flip_power import seeds_to_decide
from prunebench.reports.statistics.t_test_power import fewest_seeds_to_reject

TITLE = "What can be told apart"
DEMONSTRATION = "Nothing: this is a demonstration, not evidence. Run more seeds on real data for verdicts."
HOW = (
    "Every criterion against `magnitude`, and every combination against its parts, paired over seeds, at level "
    f"{ALPHA:g}: exact sign-flip permutation test, Holm's correction over the contrasts of one task, ranking and keep. "
    "p: after the correction. 'Not told apart' does not mean equal."
)
KEY = [*PANEL_COLUMNS, "keep", "reference"]


def verdicts_section(differences: pd.DataFrame, areas: pd.DataFrame, demonstration: bool) -> Section:
    """Say for every task, ranking and keep which criteria differ from their reference."""
    if demonstration:
        return Section(TITLE, (Text(DEMONSTRATION),))
    lines = [*verdict_sentences(differences)]
    if not lines:
        return Section(TITLE, (), "There is no contrast to test.")
    blocks: list[Part] = [Text(HOW), *(Text(text) for text in too_few_seeds_notes(differences)), Items(tuple(lines))]
    whole = [*verdict_sentences(areas.assign(keep=float("nan")))] if len(areas) else []
    if whole:
        text = "Over the whole curve (mean accuracy over the compression that all criteria of a task share):"
        blocks += [Text(text), Items(tuple(whole))]
    return Section(TITLE, tuple(blocks))


def too_few_seeds_notes(differences: pd.DataFrame) -> Iterator[str]:
    """Say which families have too few seeds for any verdict, and how many seeds they need."""
    if "family" not in differences:
        return
    few = differences[differences["verdict"] == TOO_FEW].dropna(subset=["family"])
    for _, part in few.groupby(["family", "n"]):
        family, seeds = int(part["family"].iloc[0]), int(part["n"].iloc[0])
        contrasts = "a single contrast" if family == 1 else f"a family of {family} contrasts"
        least = min(1.0, family * 2.0 ** (1 - seeds))
        yield (
            f"{counted(seeds, 'seed')} cannot decide {contrasts}, whatever they had given: the smallest possible p "
            f"after correction is {least:.2g}. {fewest_seeds_to_reject(family, ALPHA)} seeds are the fewest that can."
        )


def verdict_sentences(differences: pd.DataFrame) -> Iterator[str]:
    """Give a sentence for every task, ranking, metric, keep and reference.

    differences: rows with the columns of `family.judge_families`; only primary rows count. A keep of NaN is not named.
    """
    if "verdict" not in differences:
        return
    primary = differences[differences["primary"].astype(bool)]
    for values, part in primary.groupby(KEY, sort=False, dropna=False):
        key = dict(zip(KEY, tuple(values), strict=True))
        yield f"{_subject(key, part)}: {'; '.join(_findings(part.to_dict('records')))}."


def _subject(key: dict[str, Any], part: pd.DataFrame) -> str:
    keep = "" if pd.isna(key["keep"]) else f", keep {key['keep']:g} of the {METRIC_WORDS[key['metric']]}"
    few, many = int(part["n"].min()), int(part["n"].max())
    seeds = counted(many, "seed") if few == many else f"{few} to {many} seeds"
    return f"{key['task']}, {key['ranking']} ranking{keep}, against `{key['reference']}`, {seeds}"


def _findings(rows: Sequence[dict[Any, Any]]) -> Iterator[str]:
    known = (BETTER, WORSE, OPEN, TIED, TOO_FEW)
    by = {verdict: [row for row in rows if row["verdict"] == verdict] for verdict in known}
    for verdict in (BETTER, WORSE):
        if by[verdict]:
            yield f"{verdict}: " + ", ".join(
                f"{_with_difference(row)} (p = {row['p_holm']:.2g})" for row in by[verdict]
            )
    if by[OPEN]:
        yield "not told apart: " + _not_told_apart(by[OPEN])
    if by[TIED]:
        yield "no verdict, too many ties: " + ", ".join(map(_with_difference, by[TIED]))
    if by[TOO_FEW]:
        yield _too_few(by[TOO_FEW])
    others = [row for row in rows if row["verdict"] not in by]
    for verdict in dict.fromkeys(row["verdict"] for row in others):
        yield f"{verdict}: " + ", ".join(_without_verdict(row) for row in others if row["verdict"] == verdict)


def _without_verdict(row: dict[Any, Any]) -> str:
    """Name a criterion without verdict, with the difference at equal MACs where its budget was another."""
    if is_missing(row.get("equal_keep")):
        return f"`{row['criterion']}`"
    gap = signed_interval(row_interval(row, prefix="equal_"))
    keep = f"{percent(row['equal_keep'], 0)} of the {METRIC_WORDS[cost_metric(row['metric'])]}"
    return f"`{row['criterion']}` ({gap} where both keep {keep}, interpolated)"


def _not_told_apart(rows: Sequence[dict[Any, Any]]) -> str:
    names = ", ".join(f"`{row['criterion']}`" for row in rows)
    return f"{names}; {_largest_difference(rows)}"


def _too_few(rows: Sequence[dict[Any, Any]]) -> str:
    tested = [row for row in rows if not is_missing(row.get("family"))]
    if not tested:
        return "one seed decides nothing: " + ", ".join(f"`{row['criterion']}`" for row in rows)
    names = ", ".join(f"`{row['criterion']}`" for row in tested)
    return f"no verdict, too few seeds: {names}; {_largest_difference(tested)}"


def _largest_difference(rows: Sequence[dict[Any, Any]]) -> str:
    row = max(rows, key=lambda row: abs(row["difference"]))
    return f"the largest difference: {_with_difference(row)}, {_seeds_wanted(row)}"


def _seeds_wanted(row: dict[Any, Any]) -> str:
    """Say how many seeds would find a true difference as large as the observed one, with a power of 80 %."""
    if row["difference"] == 0:
        return "none was seen at all"
    wanted = seeds_to_decide(abs(row["difference"]), row["sd"], alpha=ALPHA / row["family"])
    if wanted is None:
        return "more than 10,000 seeds would be needed to tell it, were it true"
    return f"about {wanted:,} seeds would tell it, were it true"


def _with_difference(row: dict[Any, Any]) -> str:
    return f"`{row['criterion']}` {signed_interval(row_interval(row))}{tie_note(row)}"
