"""How far the scores of every criterion order the units as the oracle does."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prunebench.records.fidelity import Fidelity
from prunebench.reports.grid import table_order
from prunebench.reports.protocols import name_tasks
from prunebench.reports.statistics.agreement import rank_agreement, reachable_correlation
from prunebench.reports.tables.records import mean_and_half

MEASURES = ("spearman", "kendall", "weighted", "lowest")
WITHIN, OVER_ALL = "mean over layers", "all layers"
HALVES, REACHABLE = "(oracle, half against half)", "(reachable)"
FEWEST = 5  # units of a layer: the order of fewer is chance more than anything else
DENSE = "dense protocol"  # how tasks are numbered whose dense networks were trained in several ways
KEYS = ["task", "criterion", "truth", "layer"]
COLUMNS = [*KEYS, "scale", "evidence", "units", "layers", "constant", "seconds", "n", *MEASURES]

Row = dict[str, Any]
Vector = NDArray[np.float64]
Pair = tuple[Vector, Vector]
TRUTHS: dict[str, Callable[[Vector], Vector]] = {"signed": np.positive, "absolute": np.abs}


def fidelity_table(found: Sequence[Fidelity]) -> pd.DataFrame:
    """One row per task, criterion, truth (the change of the loss, signed or absolute) and layer.

    Measures are means over the n seeds in which the scores order anything, with half of their t interval; constant:
    of so many layers (in the worst seed) the score is the same for all units, and the mean is over the others. The
    oracle stands beside the criteria: one half of its pictures against the other, and what that leaves to be reached.
    """
    tasks, _ = name_tasks(found, DENSE)
    blocks = {(tasks[one.key], one.cell.seed): one for one in found}  # all criteria of a block have its oracle
    rows = [row for one in found for row in _of_criterion(one, tasks[one.key])]
    rows += [row for (task, _), one in blocks.items() for row in _of_oracle(one, task)]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in KEYS), []).append(row)
    return pd.DataFrame([_over_seeds(groups[key]) for key in sorted(groups, key=_place)], columns=_columns())


def large_groups(one: Fidelity) -> list[str]:
    """Name the groups that have units enough for an order."""
    return [name for name, group in one.groups.items() if len(group.units) >= FEWEST]


def _of_criterion(one: Fidelity, task: str) -> Iterator[Row]:
    pairs = {layer: (one.truth(layer), one.scores(layer)) for layer in one.groups}
    base = {"task": task, "criterion": one.cell.criterion, "scale": one.scale, "seconds": one.seconds.get("scores")}
    base |= {"evidence": ", ".join(one.evidence) or "none"}
    for truth, change in TRUTHS.items():
        changed = {layer: (change(true), scores) for layer, (true, scores) in pairs.items()}
        yield from _rows(base | {"truth": truth}, changed, large_groups(one))


def _of_oracle(one: Fidelity, task: str) -> Iterator[Row]:
    base = {"task": task, "criterion": HALVES, "scale": "loss", "seconds": one.seconds.get("oracle")}
    base |= {"evidence": "held-out pictures"}
    for truth, change in TRUTHS.items():
        halves = {layer: (change(one.halves(layer)[0]), change(one.halves(layer)[1])) for layer in one.groups}
        rows = _rows(base | {"truth": truth}, halves, large_groups(one))
        yield from [*rows, *_limits(rows)]


def _limits(rows: Sequence[Row]) -> list[Row]:
    """Turn the agreement of the oracle's halves into what can be reached; only known for correlations."""
    limits = [row | dict.fromkeys(MEASURES) | {"criterion": REACHABLE, "seconds": None} for row in rows]
    for limit, row in zip(limits, rows, strict=True):
        limit["spearman"] = None if row["spearman"] is None else reachable_correlation(row["spearman"])
    inside = [limit["spearman"] for limit in limits if limit["layer"] not in (WITHIN, OVER_ALL)]
    limits[0]["spearman"] = _mean(inside)
    return limits


def _rows(base: Row, pairs: Mapping[str, Pair], layers: Sequence[str]) -> list[Row]:
    """Compare on average over the layers, over all units at once, and within each layer, in this order."""
    each = [_compared(base, layer, pairs[layer]) for layer in layers]
    within = base | {"layer": WITHIN, "units": sum(row["units"] for row in each), "layers": len(each)}
    within |= {"constant": sum(row["constant"] for row in each)}
    within |= {name: _mean(row[name] for row in each) for name in MEASURES}
    first, second = (np.concatenate([pair[side] for pair in pairs.values()]) for side in (0, 1))
    return [within, _compared(base, OVER_ALL, (first, second)), *each]


def _compared(base: Row, layer: str, pair: Pair) -> Row:
    found = rank_agreement(*pair)
    row = base | {"layer": layer, "units": len(pair[0]), "layers": 1, "constant": int(found is None)}
    return row | {name: getattr(found, name, None) for name in MEASURES}


def _over_seeds(rows: Sequence[Row]) -> Row:
    joined = rows[0] | {"n": sum(row["spearman"] is not None for row in rows)}
    joined |= {name: max(row[name] for row in rows) for name in ("units", "layers", "constant")}
    joined["seconds"] = _mean(row["seconds"] for row in rows)
    for name in MEASURES:
        values = [row[name] for row in rows if row[name] is not None]
        joined |= mean_and_half(name, values) if values else {name: None, f"{name}_half": None}
    return joined


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _columns() -> list[str]:
    return [*COLUMNS[: -len(MEASURES)], *(part for name in MEASURES for part in (name, f"{name}_half"))]


def _place(key: tuple[str, ...]) -> tuple[Any, ...]:
    """Sort key of a group; layers stay in the order of the model."""
    task, criterion, truth, _ = key
    return (
        task,
        (9, criterion) if criterion in (HALVES, REACHABLE) else table_order(criterion),
        list(TRUTHS).index(truth),
    )
