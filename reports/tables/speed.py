"""Timings as a tidy table: measured speed-up beside the theoretical one."""

from typing import Any

import pandas as pd

from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.reports.points import POINT_COLUMNS
from prunebench.reports.results import Results
from prunebench.reports.tables.records import cell_columns, cost_ratio, mean_and_half, row_position

SETTING = ("machine", "backend", "batch", "threads")
NOISY = 1.25  # high / low of one measurement's own interval; on an idle machine the quotient stays far below


def speed_table(results: Results) -> pd.DataFrame:
    """One row per point and timing setting (machine, backend, batch, threads).

    measured, efficiency: mean over seeds with half its t interval; the speed-up of one seed is a median of paired
    ratios. theoretical: mean of the same seeds. dense_ms, pruned_ms: milliseconds per batch. own_low, own_high: the
    lowest and highest end of the single measurements' own intervals. noisy: any of these intervals is wider than a
    factor of `NOISY`.
    """
    rows = []
    for record in results.records:
        for latency in results.latencies.get(record.key, ()):
            rows.append(cell_columns(record, results.tasks[record.key]) | _timing(record, latency))
    rows.sort(key=row_position)
    columns = [*POINT_COLUMNS, *SETTING]
    frame = pd.DataFrame(rows, columns=None if rows else columns)
    out = []
    for key, part in frame.groupby(columns, sort=False):
        row: dict[str, Any] = dict(zip(columns, key, strict=True))
        row |= {"n": len(part), "theoretical": part["theoretical"].mean()}
        row |= mean_and_half("measured", part["measured"]) | mean_and_half("efficiency", part["efficiency"])
        row |= {"own_low": part["own_low"].min(), "own_high": part["own_high"].max()}
        row["noisy"] = bool((part["own_high"] > NOISY * part["own_low"]).any())
        out.append(row | {name: part[name].mean() for name in ("dense_ms", "pruned_ms")})
    return pd.DataFrame(out, columns=None if out else columns)


def main_setting(results: Results) -> tuple[str, str, int, int] | None:
    """Give the timing setting in which most points were measured; None without timings."""
    found = [
        (x.machine, x.backend, x.batch, x.threads)
        for record in results.records
        for x in results.latencies.get(record.key, ())
    ]
    return max(sorted(set(found)), key=found.count, default=None)


def _timing(record: Record, latency: Latency) -> dict[str, Any]:
    theoretical = cost_ratio(record, "macs")
    return {name: getattr(latency, name) for name in SETTING} | {
        "theoretical": theoretical,
        "measured": latency.speedup,
        "efficiency": latency.speedup / theoretical,
        "own_low": latency.low,
        "own_high": latency.high,
        "dense_ms": 1e3 * latency.dense_seconds,
        "pruned_ms": 1e3 * latency.pruned_seconds,
    }
