"""The section on what decides the final accuracy, where a store holds a crossed design."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from prunebench.reports.analysis.crossed import CRITERION
from prunebench.reports.analysis.decomposition import PLACE, RESIDUAL, SEED
from prunebench.reports.answer.effects import OUTSIDE, effects_rows, named_choices, what_changes
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import (
    MISSING,
    accuracy_with_half,
    is_missing,
    mean_with_half,
    percent,
    signed_points,
)
from prunebench.reports.language.message import joined, say
from prunebench.reports.row_text import keep_of_metric, source_name

TITLE = say("What decides the accuracy?")
NOT_CROSSED = say("No store of several protocols that cross all their options with the same criteria and seeds.")
HOW = say(
    "Squared deviations of the final accuracy from their grand mean, split by choice (analysis of variance; seeds are "
    "blocks). The shares hold for the levels that were run: with others they would differ. 'seed' is what all "
    "networks of a seed share; 'residual' is how differently choices act under different seeds."
)
LEAST = 0.05  # share that the sentence names


def decomposition_section(decomposition: pd.DataFrame, choices: pd.DataFrame, effects: pd.DataFrame) -> Section:
    """Say for each design what matters most and what each choice changes, then tabulate both."""
    if not len(decomposition):
        return Section(TITLE, (), NOT_CROSSED)
    said = (Items(what_decides(decomposition)), Text(HOW), Items(what_changes(effects)), Text(OUTSIDE))
    tables = (_choices(choices), effects_rows(effects), _shares(decomposition))
    return Section(TITLE, (*said, *tables), name="decomposition")


def what_decides(decomposition: pd.DataFrame) -> tuple[str, ...]:
    """Say for each design which choices make how much of the variance."""
    return tuple(_sentence(part.to_dict("records")) for _, part in decomposition.groupby(PLACE, sort=False))


def _sentence(rows: Sequence[dict[Any, Any]]) -> str:
    named = sorted((r for r in rows if r["share"] >= LEAST or r["source"] == CRITERION), key=lambda r: -r["share"])
    told = [say("{source} {share}", source=source_name(row["source"]), share=_percent(row["share"])) for row in named]
    crossed = [row for row in rows if not is_missing(row["levels"])]
    return say(
        "{task}, keep {keep}: of the variance of the accuracy, {shares}. Crossed: {levels} and {seeds} seeds.",
        task=rows[0]["task"],
        keep=keep_of_metric(rows[0]),
        shares=joined(told),
        levels=joined(
            say("{number} × {source}", number=format(row["levels"], "g"), source=source_name(row["source"]))
            for row in crossed
        ),
        seeds=rows[0]["n"],
    )


def _shares(decomposition: pd.DataFrame) -> Table:
    header = (
        *(say("task"), say("keep"), say("source"), say("levels")),
        *(say("seeds"), say("share of variance"), say("without any one seed"), say("beyond noise")),
    )
    rows = tuple(
        (
            *(row["task"], keep_of_metric(row), source_name(row["source"])),
            *(MISSING if is_missing(row["levels"]) else format(row["levels"], "g"), str(row["n"])),
            *(_percent(row["share"]), _range(row)),
            MISSING if row["source"] in (SEED, RESIDUAL) else _percent(row["beyond_noise"]),
        )
        for row in decomposition.to_dict("records")
    )
    caption = say(
        "Shares of the variance. 'beyond noise': the share less what a choice that does nothing has on average. "
        "'without any one seed': the lowest and the highest share when a seed is left out."
    )
    return Table(caption, header, rows, 3, folded=True)


def _choices(choices: pd.DataFrame) -> Table:
    """Give the spread of criteria under each combination of the other choices."""
    rows = tuple(_choice_row(row) for row in choices.to_dict("records"))
    header = (say("task"), say("keep"), say("choices"), say("seeds"), say("mean accuracy, %"), say("best criterion"))
    spread = (say("best less worst, points"), say("mean less random, points"))
    caption = say(
        "How far criteria lie apart under each combination of the other choices. The best and the worst were found by "
        "looking, so their difference is no test."
    )
    return Table(caption, (*header, *spread), rows, 3)


def _choice_row(row: dict[Any, Any]) -> tuple[str, ...]:
    half = None if is_missing(row["spread_half"]) else 100 * row["spread_half"]
    random = MISSING if is_missing(row["over_random"]) else signed_points(row["over_random"])
    return (
        *(row["task"], keep_of_metric(row), named_choices(row["choices"]), str(row["n"])),
        *(accuracy_with_half(row["accuracy"], row["accuracy_half"]), row["best"]),
        *(mean_with_half(100 * row["spread"], half, (-100.0, 100.0)), random),
    )


def _percent(fraction: float) -> str:
    return percent(fraction, 1)


def _range(row: dict[Any, Any]) -> str:
    if is_missing(row["low"]):
        return MISSING
    return say("{low} to {high}", low=_percent(row["low"]), high=_percent(row["high"]))
