"""Records as tidy tables. Accuracies and keeps are fractions here; formatting is left to the report."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from prunebench.record import Record, Scores
from prunebench.reports.grid import GROUP, RANKINGS, order
from prunebench.reports.reading import Results
from prunebench.reports.statistics import t_interval
from prunebench.timing_record import Latency

STAGES = ("dense", "cut", "cut_bn", "finetuned")
COSTS = ("macs", "params", "units", "bytes")


def records_table(results: Results) -> pd.DataFrame:
    """One row per record: what was asked, accuracies and losses, costs, achieved keeps, ratios dense / pruned.

    Sorted by task, ranking, keep (largest first), criterion (see `grid.order`) and seed.
    """
    rows = [_row(record, results.tasks[record.key]) for record in results.records]
    rows.sort(key=_position)
    columns = [*GROUP, "seed"] if not rows else None
    return pd.DataFrame(rows, columns=columns).dropna(axis="columns", how="all")


def summary_table(results: Results) -> pd.DataFrame:
    """One row per task, ranking, metric, keep and criterion.

    For every stage's accuracy the mean and half of the 95 % t interval over seeds (missing where n = 1), achieved
    keeps, compression (parameters dense / pruned), theoretical speed-up (MACs dense / pruned); from the timings of
    `main_setting` the measured speed-up and the efficiency (measured / theoretical).
    """
    frame = records_table(results)
    rows = [_summary(dict(zip(GROUP, key, strict=True)), part) for key, part in frame.groupby(GROUP, sort=False)]
    summary = pd.DataFrame(rows, columns=None if rows else [*GROUP, "n"])
    speed, setting = speed_table(results), main_setting(results)
    if setting is None:
        return summary
    mine = speed[(speed[list(SETTING)] == pd.Series(dict(zip(SETTING, setting, strict=True)))).all(axis="columns")]
    wanted = ["measured", "measured_half", "measured_n", "efficiency", "efficiency_half"]
    return summary.merge(mine.rename(columns={"n": "measured_n"})[[*GROUP, *wanted]], on=GROUP, how="left")


SETTING = ("machine", "backend", "batch", "threads")


def speed_table(results: Results) -> pd.DataFrame:
    """One row per task, ranking, metric, keep, criterion and timing setting (machine, backend, batch, threads).

    Mean and half t interval over seeds of the measured speed-up (itself the median of paired ratios) and of the
    efficiency; the mean theoretical speed-up of the same seeds; milliseconds per batch, dense and pruned.
    """
    rows = []
    for record in results.records:
        for latency in results.latencies.get(record.key, ()):
            rows.append(_cell(record, results.tasks[record.key]) | _timing(record, latency))
    rows.sort(key=_position)
    frame = pd.DataFrame(rows, columns=None if rows else [*GROUP, *SETTING])
    out = []
    for key, part in frame.groupby([*GROUP, *SETTING], sort=False):
        row: dict[str, Any] = dict(zip([*GROUP, *SETTING], key, strict=True))
        row |= {"n": len(part), "theoretical": part["theoretical"].mean()}
        row |= _interval("measured", part["measured"]) | _interval("efficiency", part["efficiency"])
        out.append(row | {name: part[name].mean() for name in ("dense_ms", "pruned_ms")})
    return pd.DataFrame(out, columns=None if out else [*GROUP, *SETTING])


def main_setting(results: Results) -> tuple[str, str, int, int] | None:
    """Name the timing setting that most points were measured in; None without timings."""
    found = [
        (x.machine, x.backend, x.batch, x.threads)
        for record in results.records
        for x in results.latencies.get(record.key, ())
    ]
    return max(sorted(set(found)), key=found.count, default=None)


def _cell(record: Record, task: str) -> dict[str, Any]:
    cell = record.cell
    return {
        "task": task,
        "ranking": cell.ranking,
        "metric": cell.metric,
        "keep": cell.keep,
        "criterion": cell.criterion,
        "seed": cell.seed,
    }


def _row(record: Record, task: str) -> dict[str, Any]:
    row = _cell(record, task) | {"evidence": ", ".join(record.evidence) or "none"}
    for name in ("accuracy", "loss", "top5"):
        scores: Scores | None = getattr(record, name)
        row |= {f"{name}_{stage}": getattr(scores, stage, None) for stage in STAGES}
    row |= {f"keep_{metric}": value for metric, value in record.keep.items()}
    for cost in COSTS:
        row |= {f"{cost}_{which}": getattr(getattr(record, which), cost, None) for which in ("dense", "pruned")}
    row |= {"compression": _ratio(record, "params"), "theoretical": _ratio(record, "macs")}
    row |= {"floors": ", ".join(record.floors) or "none", "key": record.key}
    if record.sparse:
        row["sparse_ineffective"] = record.sparse.ineffective
    if record.environment:
        row |= {
            "chain_seconds": sum(record.environment.seconds.values()),
            "peak_memory": record.environment.peak_memory,
        }
    return row


def _ratio(record: Record, cost: str) -> float:
    return float(getattr(record.dense, cost) / getattr(record.pruned, cost))


def _timing(record: Record, latency: Latency) -> dict[str, Any]:
    theoretical = _ratio(record, "macs")
    return {name: getattr(latency, name) for name in SETTING} | {
        "theoretical": theoretical,
        "measured": latency.speedup,
        "efficiency": latency.speedup / theoretical,
        "dense_ms": 1e3 * latency.dense_seconds,
        "pruned_ms": 1e3 * latency.pruned_seconds,
    }


def _summary(row: dict[str, Any], part: pd.DataFrame) -> dict[str, Any]:
    row |= {"n": len(part), "seeds": " ".join(str(s) for s in part["seed"]), "evidence": part["evidence"].iloc[0]}
    for stage in STAGES:
        row |= _interval(f"accuracy_{stage}", part[f"accuracy_{stage}"])
    for name in ("keep_macs", "keep_params", "keep_units", "compression", "theoretical"):
        if name in part:
            row[name] = part[name].mean()
    return row


def _interval(name: str, values: Iterable[float]) -> dict[str, Any]:
    interval = t_interval(list(values))
    return {name: interval.mean, f"{name}_half": interval.half}


def _position(row: dict[str, Any]) -> tuple[Any, ...]:
    ranking = RANKINGS.index(row["ranking"])
    return row["task"], ranking, row["metric"], -row["keep"], order(row["criterion"]), row["seed"]
