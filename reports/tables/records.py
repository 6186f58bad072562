"""The records as a tidy table. Accuracies and keeps are fractions; the report formats them."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from prunebench.records.record import Record, StageValues
from prunebench.records.sparse import SparseFacts
from prunebench.reports.points import POINT_COLUMNS, Point, make_point
from prunebench.reports.protocols import of_blocks, options_of
from prunebench.reports.results import Results
from prunebench.reports.statistics.intervals import t_interval

STAGES = ("dense", "cut", "cut_bn", "repaired", "finetuned")
COSTS = ("macs", "params", "units", "bytes")


def records_table(results: Results) -> pd.DataFrame:
    """One row per record: the cell, accuracies and losses, costs, achieved keeps, ratios dense / pruned, the protocol.

    An option of the protocol is a column such as protocol_repair, where it has a value.
    Single weights have no theoretical speed-up: dense kernels compute the zeros. blocks: the residual blocks that went,
    where blocks were removed. Rows are sorted by `Point.position` and seed.
    """
    rows = [_row(record, results.tasks[record.key]) for record in results.records]
    rows.sort(key=row_position)
    if not rows:
        return pd.DataFrame(columns=[*POINT_COLUMNS, "seed"])
    return pd.DataFrame(rows).dropna(axis="columns", how="all")  # top-5 where no record has it


def cell_columns(record: Record, task: str) -> dict[str, Any]:
    """Give the cell of a record as columns: its point and its seed."""
    return make_point(record, task)._asdict() | {"seed": record.cell.seed}


def row_position(row: dict[str, Any]) -> tuple[Any, ...]:
    """Sort key of a row with the columns of `cell_columns`."""
    return *Point(*(row[name] for name in POINT_COLUMNS)).position, row["seed"]


def cost_ratio(record: Record, cost: str) -> float:
    """Divide the dense network's cost by the pruned one's."""
    return float(getattr(record.dense, cost) / getattr(record.pruned, cost))


def mean_and_half(name: str, values: Iterable[float]) -> dict[str, Any]:
    """Give the mean as `name` and half of its t interval as `name_half`. values: (n,)."""
    interval = t_interval(list(values))
    return {name: interval.mean, f"{name}_half": interval.half}


def open_gates(facts: SparseFacts) -> list[int]:
    """Count units of all groups by the probability that their gate is open, in tenths; empty without gates."""
    return [sum(units) for units in zip(*facts.gates.values(), strict=True)]


def _row(record: Record, task: str) -> dict[str, Any]:
    row = cell_columns(record, task) | {"evidence": ", ".join(record.evidence) or "none"}
    for name in ("accuracy", "loss", "top5"):
        scores: StageValues | None = getattr(record, name)
        row |= {f"{name}_{stage}": getattr(scores, stage, None) for stage in STAGES}
    row |= {f"keep_{metric}": value for metric, value in record.keep.items()}
    for cost in COSTS:
        row |= {f"{cost}_{which}": getattr(getattr(record, which), cost) for which in ("dense", "pruned")}
    row["compression"] = cost_ratio(record, "params")
    row["theoretical"] = float("nan") if record.weights else cost_ratio(record, "macs")
    if of_blocks(record):
        row["blocks"] = ", ".join(record.blocks) or "none"
    row |= {"floors": ", ".join(record.floors) or "none", "key": record.key}
    row["protocol_version"] = record.protocol_version
    row |= {f"protocol_{name}": value for name, value in options_of(record).items()}
    if record.selection:
        facts = record.selection.model_dump(exclude={"constant"}) | {"constant": len(record.selection.constant)}
        row |= {f"selection_{name}": value for name, value in facts.items()}
    if record.sparse:
        row |= {"sparse_ineffective": record.ineffective, "acted_on": record.sparse.acted_on}
        row |= {f"gates_to_{tenth + 1}_tenths": n for tenth, n in enumerate(open_gates(record.sparse))}
    if record.pushed:
        row |= {f"pushing_{name}": value for name, value in record.pushed.model_dump().items()}
    if record.change:
        row |= {"overlap_with_plain": record.change.overlap, "overlap_by_chance": record.change.by_chance}
    if record.environment:
        seconds = sum(record.environment.seconds.values())
        row |= {"chain_seconds": seconds, "peak_memory": record.environment.peak_memory}
    return row
