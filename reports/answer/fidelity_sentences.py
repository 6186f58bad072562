"""Sentences on the tables of fidelity."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from prunebench.records.fidelity import Fidelity
from prunebench.reports.analysis.fidelity import ORACLE, OVER_ALL, REACHABLE, WITHIN
from prunebench.reports.formatting import correlation_with_half, is_missing, percent, seed_ranges
from prunebench.reports.language.message import SEMICOLON, SPACE, Code, Message, code, joined, say, say_many
from prunebench.reports.ordering import RANDOM, is_control
from prunebench.reports.protocols import of_blocks, repair_of
from prunebench.reports.results import Results

Row = dict[Any, Any]


def fidelity_sentences(part: pd.DataFrame, found: Sequence[Fidelity], results: Results) -> Iterator[str]:
    """Describe the rows of one task. part: its rows of `fidelity_table`. found: its fidelity records."""
    yield _removed_units(part, found)
    yield from _repair(found[0])
    rows = {truth: _rows_within_layers(part, truth) for truth in ("signed", "absolute")}
    yield from (_highest_mean(truth, known) for truth, known in rows.items() if known)
    if not results.demonstration:
        yield from _against_chance(rows["signed"])
    gated = sorted(
        {r.cell.criterion for r in results.records if "gate" in r.evidence and r.cell.task == found[0].cell.task}
    )
    if gated:
        yield say(
            "Left out: {names}: scores that read gates cannot be had from a dense network, which has none.",
            names=joined(map(code, gated)),
        )


def _removed_units(part: pd.DataFrame, found: Sequence[Fidelity]) -> str:
    """Say how many units or blocks were removed, on how many pictures, and how often the loss fell."""
    blocks = {one.cell.seed: one for one in found}
    changes = [np.concatenate([one.truth(name) for name in one.groups]) for one in blocks.values()]
    pictures = max(sum(one.pictures) for one in blocks.values())
    lower = float(np.mean([(change < 0).mean() for change in changes]))
    return say_many(
        "{task}: {units} removed one by one, on {pictures}, seed {seeds}. Removing lowered the held-out loss for "
        "{lower} of them.",
        "{task}: {units} removed one by one, on {pictures}, seeds {seeds}. Removing lowered the held-out loss for "
        "{lower} of them.",
        len(blocks),
        task=str(part["task"].iloc[0]),
        units=_units(part, found[0]),
        pictures=say_many("{number} picture", "{number} pictures", pictures),
        seeds=seed_ranges(blocks),
        lower=percent(lower, 0),
    )


def _units(part: pd.DataFrame, one: Fidelity) -> Message:
    layers, units = (
        int(part.loc[part["layer"] == name, what].max()) for name, what in ((WITHIN, "layers"), (OVER_ALL, "units"))
    )
    if of_blocks(one):
        return say_many(
            "{number} residual block, ranked as one layer", "{number} residual blocks, ranked as one layer", units
        )
    return say(
        "{units} of {layers}",
        units=say_many("{number} unit", "{number} units", units),
        layers=say_many("{number} layer", "{number} layers", layers),
    )


def _repair(one: Fidelity) -> Iterator[str]:
    """Say which repair came after each removal, if any."""
    repair = repair_of(one)
    if repair == "batchnorm":
        yield say("The repair `{repair}` came after each removal, and before the first.", repair=repair)
    elif repair != "none":
        yield say("The repair `{repair}` came after each removal.", repair=repair)


def _rows_within_layers(part: pd.DataFrame, truth: str) -> list[Row]:
    """Give the rows of the means over layers, the oracle's as well, without scores that are constant everywhere."""
    rows = part[(part["layer"] == WITHIN) & (part["truth"] == truth) & part["spearman"].notna()]
    return rows.to_dict("records")


def _highest_mean(truth: str, rows: Sequence[Row]) -> str:
    """Name the criterion with the highest mean, if its interval leaves zero out, beside `random` and the reachable."""
    known = {row["criterion"]: _spearman_text(row) for row in rows}
    methods = [row for row in rows if row["criterion"] not in ORACLE and not is_control(row["criterion"])]
    what = say("the change of the loss") if truth == "signed" else say("the size of that change")
    return joined((_highest(what, methods), *_beside(known)), SPACE)


def _highest(what: Message, methods: Sequence[Row]) -> Message:
    if not methods:
        return say("No criterion but controls was compared with {what}.", what=what)
    shown = [row for row in methods if is_missing(row["spearman_half"]) or row["spearman"] > row["spearman_half"]]
    if not shown:
        return say("With {what}, no criterion's interval of Spearman's rho lies above zero.", what=what)
    best = max(shown, key=lambda row: float(row["spearman"]))
    return say(
        "With {what}, `{criterion}` has the highest mean within layers: Spearman {rho}; criteria are not tested "
        "against each other here.",
        what=what,
        criterion=best["criterion"],
        rho=_spearman_text(best),
    )


def _beside(known: dict[str, str]) -> Iterator[Message]:
    """Give what can be reached, and what `random` has. known: Spearman's rho by criterion, as text."""
    if REACHABLE in known:
        yield say("About {rho} can be reached.", rho=known[REACHABLE])
    if RANDOM in known:
        yield say("`{random}` has {rho}.", random=RANDOM, rho=known[RANDOM])


def _against_chance(rows: Sequence[Row]) -> Iterator[str]:
    """Group the criteria by their interval: above, below or around zero."""
    above: list[Code] = []
    below: list[Code] = []
    around: list[Code] = []
    for row in rows:
        if row["criterion"] in ORACLE or is_control(row["criterion"]):
            continue
        if pd.isna(row["spearman_half"]) or row["spearman_half"] == 0:  # one seed, or seeds that are all equal
            continue
        rho, half = float(row["spearman"]), float(row["spearman_half"])
        group = above if rho > half else below if rho < -half else around
        group.append(code(row["criterion"]))
    if not (above or below or around):
        return
    groups = [say("above zero: {names}", names=joined(above))] if above else []
    groups += [say("below zero: {names}", names=joined(below))] if below else []
    groups += [say("around zero, not told from chance: {names}", names=joined(around))] if around else []
    yield say("The interval of Spearman's rho with the signed change lies {groups}.", groups=joined(groups, SEMICOLON))
    yield say("An interval leaves zero out by chance once in twenty.")


def _spearman_text(row: Row) -> str:
    return correlation_with_half(row["spearman"], row["spearman_half"])
