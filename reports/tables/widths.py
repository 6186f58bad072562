"""Which layers a criterion emptied: mean widths per layer over seeds, beside the dense network's."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from prunebench.records.names import RANKINGS
from prunebench.records.record import Record
from prunebench.reports.formatting import counted
from prunebench.reports.grid import POINT_COLUMNS, table_order
from prunebench.reports.results import Results

COLUMNS = [*POINT_COLUMNS, "layer", "dense", "width", "n", "at_floor"]


def widths_table(results: Results) -> pd.DataFrame:
    """One row per task, ranking, metric, keep, criterion and layer, layers in the order of the model.

    dense: output units before pruning (weights, where single ones were pruned); width: the mean of what is left over
    the n seeds; at_floor: seeds that left it at its floor.
    """
    rows = []
    for key, records in grouped(results).items():
        for layer, (dense, _) in records[0].left.items():
            widths = [r.left[layer][1] for r in records if layer in r.left]
            at_floor = sum(layer in r.floors for r in records)
            rows.append([*key, layer, dense, sum(widths) / len(widths), len(widths), at_floor])
    return pd.DataFrame(rows, columns=COLUMNS)


def grouped(results: Results) -> dict[tuple[str, str, str, float, str], list[Record]]:
    """Sort records by task, ranking, metric, keep and criterion, in the order of the tables."""
    groups: dict[tuple[str, str, str, float, str], list[Record]] = {}
    for record in results.records:
        cell = record.cell
        key = (results.tasks[record.key], cell.ranking, cell.metric, cell.keep, cell.criterion)
        groups.setdefault(key, []).append(record)
    return dict(sorted(groups.items(), key=lambda item: _position(item[0])))


def emptied(records: Sequence[Record]) -> str:
    """Say which layers stand at their floor, with what is left and in how many seeds; else which has the least left."""
    counts = Counter(layer for record in records for layer in record.floors)
    return ", ".join(_floor(layer, number, records) for layer, number in counts.items()) or _narrowest(records)


def _narrowest(records: Sequence[Record]) -> str:
    left = [(pruned / dense, layer) for r in records for layer, (dense, pruned) in r.left.items()]
    return f"none at its floor; least left: {min(left)[1]} ({min(left)[0]:.0%})" if left else "none"


def _floor(layer: str, number: int, records: Sequence[Record]) -> str:
    widths = [r.left[layer] for r in records if layer in r.floors and layer in r.left]
    change = f" {widths[0][0]} -> {min(w for _, w in widths)}" if widths else ""
    return f"{layer}{change} ({number} of {counted(len(records), 'seed')})"


def _position(key: tuple[str, str, str, float, str]) -> tuple[str, int, str, float, tuple[int, str]]:
    task, ranking, metric, keep, criterion = key
    return task, RANKINGS.index(ranking), metric, -keep, table_order(criterion)
