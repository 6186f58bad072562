"""The section on verdicts: differences that the test finds, and those that it does not."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from prunebench.records.requested import FEWEST_SEEDS
from prunebench.reports.analysis.verdicts import ALPHA, BETTER, OPEN, TIED, TOO_FEW, WORSE
from prunebench.reports.document import Items, Part, Section, Text
from prunebench.reports.formatting import counted, is_missing, percent, signed_interval
from prunebench.reports.ordering import METRIC_WORDS, cost_metric
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.row_text import ON_THESE_PICTURES, row_interval, tie_note

TITLE = "What can be told apart"
DEMONSTRATION = "Nothing: this is a demonstration, not evidence. Run more seeds on real data for verdicts."
HOW = (
    "Every criterion against `magnitude`, and every combination against its parts, paired over seeds, at level "
    f"{ALPHA:g}. One test holds all of a task and ranking: signs are flipped for whole seeds, all contrasts together, "
    "with step-down maxima (Westfall and Young). p: after this correction; exact if differences are symmetric about "
    "their mean. 'Not told apart' does not mean equal. 'On these test pictures': other pictures might undo it, as the "
    "interval over seeds and pictures contains zero; whole curves have no such interval."
)
KEY = [*PANEL_COLUMNS, "keep", "reference"]


def verdicts_section(
    differences: pd.DataFrame, areas: pd.DataFrame, demonstration: bool, condition: str = ""
) -> Section:
    """Say for every task, ranking and keep which criteria differ from their reference.

    condition: what the claims depend on; see `assembly.checkpoint_condition`.
    """
    if demonstration:
        return Section(TITLE, (Text(DEMONSTRATION),))
    lines = [*verdict_sentences(differences)]
    if not lines:
        return Section(TITLE, (), "There is no contrast to test.")
    notes = (HOW, condition, *families_note(differences, areas), *too_few_seeds_notes(differences))
    blocks: list[Part] = [*(Text(text) for text in notes if text), Items(tuple(lines))]
    whole = [*verdict_sentences(areas.assign(keep=float("nan")))] if len(areas) else []
    if whole:
        text = "Over the whole curve (mean accuracy over the compression that all criteria of a task share):"
        blocks += [Text(text), Items(tuple(whole))]
    return Section(TITLE, tuple(blocks))


def families_note(differences: pd.DataFrame, areas: pd.DataFrame) -> Iterator[str]:
    """Say how many families the report holds, and how likely some false verdict is."""
    both = [part for part in (differences, areas) if "family" in part]
    if not both:
        return
    tested = pd.concat([part.dropna(subset=["family"])[["task", "ranking"]] for part in both])
    number, contrasts = len(tested.drop_duplicates()), len(tested)
    each = f"It has a false verdict with a probability of at most {percent(ALPHA, 0)}."
    if number == 1:
        yield f"One family of tests, {counted(contrasts, 'contrast')}: its task and ranking. {each}"
    else:
        some = percent(1 - (1 - ALPHA) ** number, 0)
        yield (
            f"{number} families of tests, {counted(contrasts, 'contrast')}: one family for each task and ranking. "
            f"{each.replace('It', 'Each')} Where nothing differs anywhere, some family has one with a probability of "
            f"about {some}, if families are independent."
        )


def too_few_seeds_notes(differences: pd.DataFrame) -> Iterator[str]:
    """Say which numbers of seeds are too few for any verdict, and how many are needed."""
    if "family" not in differences:
        return
    few = differences[differences["verdict"] == TOO_FEW].dropna(subset=["family"])
    for seeds in sorted({int(n) for n in few["n"]}):
        yield (
            f"{counted(seeds, 'seed')} cannot decide, whatever they had given: the smallest possible p is "
            f"{2.0 ** (1 - seeds):.2g}. {FEWEST_SEEDS} seeds are the fewest that can, for any number of contrasts."
        )


def verdict_sentences(differences: pd.DataFrame) -> Iterator[str]:
    """Give a sentence for every task, ranking, metric, keep and reference.

    differences: with the columns of `verdicts.judge_families`; only primary rows count. A keep of NaN is not named.
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
            yield f"{verdict}: " + ", ".join(map(_with_p, by[verdict]))
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
    return f"the largest difference: {_with_difference(row)}"


def _with_p(row: dict[Any, Any]) -> str:
    where = f", {ON_THESE_PICTURES}" if row["on_these_pictures"] else ""
    return f"{_with_difference(row)} (p = {row['p_adjusted']:.2g}{where})"


def _with_difference(row: dict[Any, Any]) -> str:
    return f"`{row['criterion']}` {signed_interval(row_interval(row))}{tie_note(row)}"
