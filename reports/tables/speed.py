"""Timings as a tidy table: measured speed-up beside the theoretical one."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from prunebench.records.latency import ENOUGH_OF_CORE, Latency
from prunebench.records.record import Record
from prunebench.reports.points import POINT_COLUMNS
from prunebench.reports.results import Results
from prunebench.reports.tables.records import cell_columns, cost_ratio, mean_and_half, row_position

Row = dict[str, Any]
SETTING = ("machine", "backend", "batch", "threads")
SHAPE = ("task", "widths", *SETTING)  # measurements that agree in these are of one network
ENERGY_AND_MEMORY = (
    "dense_joules",
    "pruned_joules",
    "dense_call_bytes",
    "pruned_call_bytes",
)  # that not every machine tells
DISAGREE = 1.3  # longest / shortest time of the same dense network; more means that the machine was busy
NOISY = 1.25  # high / low of one measurement's own interval; on an idle machine the quotient stays far below


def unreliable(latency: Latency) -> bool:
    """Tell whether the machine was busy: the measurement's own interval is wide, or its only thread lacked its core.

    One of several threads also waits for the others, so its share tells nothing.
    """
    lacking = latency.threads == 1 and latency.core_share is not None and latency.core_share < ENOUGH_OF_CORE
    return lacking or latency.high > NOISY * latency.low


def speed_table(results: Results) -> pd.DataFrame:
    """One row per point and timing setting (machine, backend, batch, threads).

    Networks of equal widths are one network to a clock, so they share all their measurements. Where there are calm
    ones, the noisy ones are left out.

    measured, efficiency: mean with half its t interval over networks, since seeds of equal widths are one network.
    Where all seeds have equal widths, the interval is over the shared measurements. The speed-up of one measurement is
    a median of paired ratios. theoretical: mean of the same networks. dense_ms, pruned_ms: milliseconds
    per batch. own_low, own_high: the lowest and highest end of the single
    measurements' own intervals. noisy: one of these is `unreliable`. core_share: the least share of its core that the
    timing thread had in one of them. dense_joules, pruned_joules: energy per picture. dense_call_bytes,
    pruned_call_bytes: memory that a call adds. These five are missing where no measurement has them. dense_low,
    dense_high: the least and most milliseconds that the dense network took in any measurement of the task and setting.
    """
    timed = [
        cell_columns(record, results.tasks[record.key]) | _timing(record, latency)
        for record in results.records
        for latency in results.latencies.get(record.key, ())
    ]
    timed.sort(key=row_position)
    columns = [*POINT_COLUMNS, *SETTING]
    shared, dense = _shared(timed), _by(timed, ["task", *SETTING])
    out = []
    for key, part in _by(timed, columns).items():
        times = [one["dense_ms"] for one in dense[(key[0], *key[len(POINT_COLUMNS) :])]]
        row = dict(zip(columns, key, strict=True)) | _pooled(part, shared)
        out.append(row | {"dense_low": min(times), "dense_high": max(times)})
    return pd.DataFrame(out, columns=None if out else columns)


def _by(timed: list[Row], names: Sequence[str]) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in timed:
        found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found


def _shared(timed: list[Row]) -> dict[tuple[Any, ...], list[Row]]:
    """Group measurements of equal networks by `SHAPE`; each once, and calm ones alone where there are any."""
    found = {}
    for shape, rows in _by(timed, SHAPE).items():
        once = list({row["measurement"]: row for row in rows}.values())
        found[shape] = [row for row in once if not row["noisy"]] or once
    return found


def _pooled(part: list[Row], shared: Mapping[tuple[Any, ...], list[Row]]) -> Row:
    """Give the columns of one point. part: one row per seed."""
    networks = _by(part, SHAPE)
    groups = [shared[shape] for shape in networks]
    every = list({row["measurement"]: row for group in groups for row in group}.values())
    alike = len(groups) == 1
    speedups = [row["measured"] for row in groups[0]] if alike else [_mean(group, "measured") for group in groups]
    theoretical = [rows[0]["theoretical"] for rows in networks.values()]
    shares = [one / theoretical[0] for one in speedups] if alike else _ratios(speedups, theoretical)
    row: Row = {"n": len(part), "theoretical": sum(theoretical) / len(theoretical)}
    row |= mean_and_half("measured", speedups) | mean_and_half("efficiency", shares)
    row |= {"own_low": min(r["own_low"] for r in every), "own_high": max(r["own_high"] for r in every)}
    row["noisy"] = any(r["noisy"] for r in every)
    row["core_share"] = min((r["core_share"] for r in every if r["core_share"] is not None), default=float("nan"))
    return row | {name: _mean(every, name) for name in ("dense_ms", "pruned_ms", *ENERGY_AND_MEMORY)}


def _mean(rows: list[Row], name: str) -> float:
    """Average a column over the rows that have it; missing where none has."""
    known = [row[name] for row in rows if row[name] is not None]
    return float(sum(known) / len(known)) if known else float("nan")


def _ratios(ours: list[float], others: list[float]) -> list[float]:
    return [one / other for one, other in zip(ours, others, strict=True)]


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
        "own_low": latency.low,
        "own_high": latency.high,
        "noisy": unreliable(latency),
        "core_share": latency.core_share,
        **{name: getattr(latency, name) for name in ENERGY_AND_MEMORY},
        "widths": tuple(record.widths.items()),
        "measurement": (latency.dense_seconds, latency.pruned_seconds, latency.ratios),
        "dense_ms": 1e3 * latency.dense_seconds,
        "pruned_ms": 1e3 * latency.pruned_seconds,
    }
