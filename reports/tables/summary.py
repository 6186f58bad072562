"""Means and intervals over seeds as a tidy table."""

from typing import Any

import pandas as pd

from prunebench.reports.points import POINT_COLUMNS
from prunebench.reports.tables.records import STAGES, mean_and_half
from prunebench.reports.tables.speed import SETTING

OF_SPEED = ("measured", "measured_half", "measured_n", "own_low", "own_high", "noisy", "efficiency", "efficiency_half")
MILLISECONDS = ("dense_ms", "pruned_ms")


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
    points = records.groupby(POINT_COLUMNS, sort=False)
    rows = [_summary(dict(zip(POINT_COLUMNS, key, strict=True)), part) for key, part in points]
    summary = pd.DataFrame(rows, columns=None if rows else [*POINT_COLUMNS, "n"])
    if setting is None:
        return summary
    of_setting = pd.Series(dict(zip(SETTING, setting, strict=True)))
    timed = speed[(speed[list(SETTING)] == of_setting).all(axis="columns")].rename(columns={"n": "measured_n"})
    return summary.merge(timed[[*POINT_COLUMNS, *OF_SPEED, *MILLISECONDS]], on=POINT_COLUMNS, how="left")


def _summary(row: dict[str, Any], part: pd.DataFrame) -> dict[str, Any]:
    row |= {"n": len(part), "seeds": " ".join(str(s) for s in part["seed"]), "evidence": part["evidence"].iloc[0]}
    for name in (*(f"accuracy_{stage}" for stage in STAGES), "top5_finetuned"):
        if name in part and part[name].notna().any():
            row |= mean_and_half(name, part[name].dropna())
    for name in ("keep_macs", "keep_params", "keep_units", "keep_weights", "compression", "theoretical"):
        if name in part:
            row[name] = part[name].mean()
    return row
