"""Means and intervals over seeds as a tidy table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prunebench.reports.points import POINT_COLUMNS
from prunebench.reports.tables.records import STAGES, mean_and_half
from prunebench.reports.tables.speed import SETTING

OF_SPEED = ("measured", "measured_half", "measured_n", "own_low", "own_high", "noisy", "efficiency", "efficiency_half")
MILLISECONDS = ("dense_ms", "pruned_ms")
OF_STAGES = (*(f"accuracy_{stage}" for stage in STAGES), "top5_finetuned")
OF_COST = ("keep_macs", "keep_params", "keep_units", "keep_weights", "compression", "theoretical")


def summary_table(
    records: pd.DataFrame, speed: pd.DataFrame, setting: tuple[str, str, int, int] | None
) -> pd.DataFrame:
    """One row per point.

    accuracy_*: mean of every stage's accuracy, with half of its 95 % t interval over seeds (missing where n = 1).
    keep_*: mean achieved keeps. compression: parameters, dense / pruned. theoretical: speed-up by MACs, dense / pruned.
    top5_finetuned: mean, where there are 100 classes or more. dense_ms, pruned_ms: milliseconds per batch.
    measured, efficiency: speed-up in one timing setting, and measured / theoretical.

    records: as `records_table`; speed: as `speed_table`; setting: as `main_setting`.
    """
    places: dict[tuple[Any, ...], list[int]] = {}
    for place, key in enumerate(zip(*(records[name] for name in POINT_COLUMNS), strict=True)):
        places.setdefault(key, []).append(place)
    columns = {name: records[name].to_numpy() for name in ("seed", "evidence", *OF_STAGES, *OF_COST) if name in records}
    rows = [
        _summary(dict(zip(POINT_COLUMNS, key, strict=True)), {name: column[own] for name, column in columns.items()})
        for key, own in places.items()
    ]
    summary = pd.DataFrame(rows, columns=None if rows else [*POINT_COLUMNS, "n"])
    if setting is None:
        return summary
    of_setting = pd.Series(dict(zip(SETTING, setting, strict=True)))
    timed = speed[(speed[list(SETTING)] == of_setting).all(axis="columns")].rename(columns={"n": "measured_n"})
    return summary.merge(timed[[*POINT_COLUMNS, *OF_SPEED, *MILLISECONDS]], on=POINT_COLUMNS, how="left")


def _summary(row: dict[str, Any], part: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Give the columns of one point. part: columns of its records, (seeds,) each."""
    row |= {"n": len(part["seed"]), "seeds": " ".join(map(str, part["seed"])), "evidence": part["evidence"][0]}
    known = {name: part[name][~np.isnan(part[name])] for name in (*OF_STAGES, *OF_COST) if name in part}
    for name in OF_STAGES:
        if len(known.get(name, ())):
            row |= mean_and_half(name, known[name])
    for name in OF_COST:
        if name in known:
            row[name] = float(known[name].mean()) if len(known[name]) else float("nan")
    return row
