"""Sentences on the tables of fidelity."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from prunebench.records.fidelity import Fidelity
from prunebench.reports.analysis.fidelity import ORACLE, OVER_ALL, REACHABLE, WITHIN
from prunebench.reports.formatting import correlation_with_half, counted, is_missing, percent, seed_ranges
from prunebench.reports.ordering import RANDOM, is_control
from prunebench.reports.results import Results

Row = dict[Any, Any]


def fidelity_sentences(part: pd.DataFrame, found: Sequence[Fidelity], results: Results) -> Iterator[str]:
    """Describe the rows of one task. part: its rows of `fidelity_table`. found: its fidelity records."""
    yield _removed_units(part, found)
    rows = {truth: _rows_within_layers(part, truth) for truth in ("signed", "absolute")}
    yield from (_highest_mean(truth, known) for truth, known in rows.items() if known)
    if not results.demonstration:
        yield from _against_chance(rows["signed"])
    gated = sorted(
        {r.cell.criterion for r in results.records if "gate" in r.evidence and r.cell.task == found[0].cell.task}
    )
    if gated:
        names = ", ".join(f"`{name}`" for name in gated)
        yield f"Left out: {names}: scores that read gates cannot be had from a dense network, which has none."


def _removed_units(part: pd.DataFrame, found: Sequence[Fidelity]) -> str:
    """Say how many units were removed, on how many pictures, and how often the loss fell."""
    blocks = {one.cell.seed: one for one in found}
    layers, units = (
        int(part.loc[part["layer"] == name, what].max()) for name, what in ((WITHIN, "layers"), (OVER_ALL, "units"))
    )
    changes = [np.concatenate([one.truth(name) for name in one.groups]) for one in blocks.values()]
    pictures = max(sum(one.pictures) for one in blocks.values())
    lower = float(np.mean([(change < 0).mean() for change in changes]))
    text = (
        f"{counted(units, 'unit')} of {counted(layers, 'layer')} {'was' if units == 1 else 'were'} removed one by one"
    )
    text += f" on {counted(pictures, 'picture')}, {'seed' if len(blocks) == 1 else 'seeds'} {seed_ranges(blocks)}"
    return f"{text}. Removing lowered the held-out loss for {percent(lower, 0)} of them."


def _rows_within_layers(part: pd.DataFrame, truth: str) -> list[Row]:
    """Give the rows of the means over layers, the oracle's as well, without scores that are constant everywhere."""
    rows = part[(part["layer"] == WITHIN) & (part["truth"] == truth) & part["spearman"].notna()]
    return rows.to_dict("records")


def _highest_mean(truth: str, rows: Sequence[Row]) -> str:
    """Name the criterion with the highest mean, if its interval leaves zero out, beside `random` and the reachable."""
    known = {row["criterion"]: row for row in rows}
    methods = [row for row in rows if row["criterion"] not in ORACLE and not is_control(row["criterion"])]
    what = "the change of the loss" if truth == "signed" else "its size"
    beside = [
        f"{_spearman_text(known[name])} {text}"
        for name, text in ((REACHABLE, "can be reached"), (RANDOM, "has `random`"))
        if name in known
    ]
    tail = f" (about {', '.join(beside)})" if beside else ""
    if not methods:
        return f"No criterion but controls was compared with {what}{tail}."
    shown = [row for row in methods if is_missing(row["spearman_half"]) or row["spearman"] > row["spearman_half"]]
    if not shown:
        return f"With {what}, no criterion's interval of Spearman's rho lies above zero{tail}."
    best = max(shown, key=lambda row: float(row["spearman"]))
    highest = f"`{best['criterion']}` has the highest mean within layers: Spearman {_spearman_text(best)}{tail}"
    return f"With {what}, {highest}; criteria are not tested against each other here."


def _against_chance(rows: Sequence[Row]) -> Iterator[str]:
    """Group the criteria by their interval: above, below or around zero."""
    groups: dict[str, list[str]] = {}
    for row in rows:
        if row["criterion"] in ORACLE or is_control(row["criterion"]):
            continue
        if pd.isna(row["spearman_half"]) or row["spearman_half"] == 0:  # one seed, or seeds that are all equal
            continue
        rho, half = float(row["spearman"]), float(row["spearman_half"])
        place = "above zero" if rho > half else "below zero" if rho < -half else "around zero, not told from chance"
        groups.setdefault(place, []).append(f"`{row['criterion']}`")
    if groups:
        where = "; ".join(f"{place}: {', '.join(names)}" for place, names in groups.items())
        yield f"The interval of Spearman's rho with the signed change lies {where}."
        yield "An interval leaves zero out by chance once in twenty."


def _spearman_text(row: Row) -> str:
    return correlation_with_half(row["spearman"], row["spearman_half"])
