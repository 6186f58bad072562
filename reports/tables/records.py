"""Records as a tidy table. Accuracies and keeps are fractions here; formatting is left to the report."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from prunebench.records.names import RANKINGS
from prunebench.records.record import Record, Scores
from prunebench.reports.grid import POINT_COLUMNS, table_order
from prunebench.reports.results import Results
from prunebench.reports.statistics.intervals import t_interval

STAGES = ("dense", "cut", "cut_bn", "finetuned")
COSTS = ("macs", "params", "units", "bytes")


def records_table(results: Results) -> pd.DataFrame:
    """One row per record: what was asked, accuracies and losses, costs, achieved keeps, ratios dense / pruned.

    Where single weights were pruned there is no theoretical speed-up: dense kernels compute the zeros, too.

    Sorted by task, ranking, keep (largest first), criterion (see `grid.table_order`) and seed.
    """
    rows = [_row(record, results.tasks[record.key]) for record in results.records]
    rows.sort(key=row_position)
    if not rows:
        return pd.DataFrame(columns=[*POINT_COLUMNS, "seed"])
    return pd.DataFrame(rows).dropna(axis="columns", how="all")  # top-5 where nobody has it


def cell_columns(record: Record, task: str) -> dict[str, Any]:
    """Give what was asked, as columns."""
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
    row = cell_columns(record, task) | {"evidence": ", ".join(record.evidence) or "none"}
    for name in ("accuracy", "loss", "top5"):
        scores: Scores | None = getattr(record, name)
        row |= {f"{name}_{stage}": getattr(scores, stage, None) for stage in STAGES}
    row |= {f"keep_{metric}": value for metric, value in record.keep.items()}
    for cost in COSTS:
        row |= {f"{cost}_{which}": getattr(getattr(record, which), cost, None) for which in ("dense", "pruned")}
    row["compression"] = cost_ratio(record, "params")
    row["theoretical"] = float("nan") if record.weights else cost_ratio(record, "macs")
    row |= {"floors": ", ".join(record.floors) or "none", "key": record.key}
    if record.sparse:
        row["sparse_ineffective"] = record.sparse.ineffective
    if record.environment:
        row |= {
            "chain_seconds": sum(record.environment.seconds.values()),
            "peak_memory": record.environment.peak_memory,
        }
    return row


def cost_ratio(record: Record, cost: str) -> float:
    """Divide the dense network's cost by the pruned one's."""
    return float(getattr(record.dense, cost) / getattr(record.pruned, cost))


def mean_and_half(name: str, values: Iterable[float]) -> dict[str, Any]:
    """Give the mean as `name` and half of its t interval as `name_half`. values: (n,)."""
    interval = t_interval(list(values))
    return {name: interval.mean, f"{name}_half": interval.half}


def row_position(row: dict[str, Any]) -> tuple[Any, ...]:
    """Sort key of a row."""
    ranking = RANKINGS.index(row["ranking"])
    return row["task"], ranking, row["metric"], -row["keep"], table_order(row["criterion"]), row["seed"]
