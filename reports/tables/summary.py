"""One row per criterion and keep: means and intervals over seeds."""

from typing import Any

import pandas as pd

from prunebench.reports.grid import POINT_COLUMNS
from prunebench.reports.results import Results
from prunebench.reports.tables.records import STAGES, mean_and_half, records_table
from prunebench.reports.tables.speed import SETTING, main_setting, speed_table


def summary_table(results: Results) -> pd.DataFrame:
    """One row per task, ranking, metric, keep and criterion.

    For every stage's accuracy the mean and half of the 95 % t interval over seeds (missing where n = 1), achieved
    keeps, compression (parameters dense / pruned), theoretical speed-up (MACs dense / pruned); from the timings of
    `main_setting` the measured speed-up and the efficiency (measured / theoretical).
    """
    frame = records_table(results)
    rows = [
        _summary(dict(zip(POINT_COLUMNS, key, strict=True)), part)
        for key, part in frame.groupby(POINT_COLUMNS, sort=False)
    ]
    summary = pd.DataFrame(rows, columns=None if rows else [*POINT_COLUMNS, "n"])
    speed, setting = speed_table(results), main_setting(results)
    if setting is None:
        return summary
    mine = speed[(speed[list(SETTING)] == pd.Series(dict(zip(SETTING, setting, strict=True)))).all(axis="columns")]
    wanted = [
        "measured",
        "measured_half",
        "measured_n",
        "own_low",
        "own_high",
        "noisy",
        "efficiency",
        "efficiency_half",
    ]
    return summary.merge(
        mine.rename(columns={"n": "measured_n"})[[*POINT_COLUMNS, *wanted]], on=POINT_COLUMNS, how="left"
    )


def _summary(row: dict[str, Any], part: pd.DataFrame) -> dict[str, Any]:
    row |= {"n": len(part), "seeds": " ".join(str(s) for s in part["seed"]), "evidence": part["evidence"].iloc[0]}
    for stage in STAGES:
        row |= mean_and_half(f"accuracy_{stage}", part[f"accuracy_{stage}"])
    for name in ("keep_macs", "keep_params", "keep_units", "keep_weights", "compression", "theoretical"):
        if name in part:
            row[name] = part[name].mean()
    return row
