"""Agreement of every criterion's scores with the oracle's order of the units."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prunebench.records.fidelity import Fidelity
from prunebench.reports.ordering import table_order
from prunebench.reports.results import Results
from prunebench.reports.statistics.agreement import rank_agreement, reachable_correlation
from prunebench.reports.tables.records import mean_and_half

MEASURES = ("spearman", "kendall", "weighted", "lowest")
WITHIN, OVER_ALL = "mean over layers", "all layers"
HALVES, REACHABLE = "(oracle, half against half)", "(reachable)"
ORACLE = (HALVES, REACHABLE)
FEWEST = 5  # units of a layer: the order of fewer is mostly chance
KEYS = ["task", "criterion", "truth", "layer"]
HALF_COLUMNS = [part for name in MEASURES for part in (name, f"{name}_half")]
COLUMNS = [*KEYS, "scale", "evidence", "units", "layers", "constant", "seconds", "n", *HALF_COLUMNS]

Row = dict[str, Any]
Vector = NDArray[np.float64]
Pair = tuple[Vector, Vector]
TRUTHS: dict[str, Callable[[Vector], Vector]] = {"signed": np.positive, "absolute": np.abs}


def fidelity_table(results: Results) -> pd.DataFrame:
    """One row per task, criterion, truth (the change of the loss, signed or absolute) and layer.

    Measures are means over the n seeds in which the scores order anything, with half of their t interval. constant: in
    how many layers (in the worst seed) the score is constant; the mean is over the other layers. The oracle has two
    rows beside the criteria: the agreement of the two halves of its pictures, and the agreement that this leaves to be
    reached.
    """
    tasks = results.fidelity_tasks
    blocks = {(tasks[f.key], f.cell.seed): f for f in results.fidelity}  # all criteria of a block have its oracle
    rows = [row for one in results.fidelity for row in _criterion_rows(one, tasks[one.key])]
    rows += [row for (task, _), one in blocks.items() for row in _oracle_rows(one, task)]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in KEYS), []).append(row)
    return pd.DataFrame([_mean_over_seeds(groups[key]) for key in sorted(groups, key=_position)], columns=COLUMNS)


def large_groups(one: Fidelity) -> list[str]:
    """Name the groups that have at least `FEWEST` units."""
    return [name for name, group in one.groups.items() if len(group.units) >= FEWEST]


def _criterion_rows(one: Fidelity, task: str) -> Iterator[Row]:
    pairs = {layer: (one.truth(layer), one.scores(layer)) for layer in one.groups}
    base = {"task": task, "criterion": one.cell.criterion, "scale": one.scale, "seconds": one.seconds.get("scores")}
    base |= {"evidence": ", ".join(one.evidence) or "none"}
    for truth, transform in TRUTHS.items():
        transformed = {layer: (transform(true), scores) for layer, (true, scores) in pairs.items()}
        yield from _rows(base | {"truth": truth}, transformed, large_groups(one))


def _oracle_rows(one: Fidelity, task: str) -> Iterator[Row]:
    base = {"task": task, "criterion": HALVES, "scale": "loss", "seconds": one.seconds.get("oracle")}
    base |= {"evidence": "held-out pictures"}
    for truth, transform in TRUTHS.items():
        halves = {
            layer: (transform(first), transform(second))
            for layer in one.groups
            for first, second in [one.halves(layer)]
        }
        rows = _rows(base | {"truth": truth}, halves, large_groups(one))
        yield from [*rows, *_reachable_rows(rows)]


def _reachable_rows(rows: Sequence[Row]) -> list[Row]:
    """Turn the agreement of the oracle's halves into the reachable agreement, known for Spearman's rho only."""
    limits = [row | dict.fromkeys(MEASURES) | {"criterion": REACHABLE, "seconds": None} for row in rows]
    for limit, row in zip(limits, rows, strict=True):
        limit["spearman"] = None if row["spearman"] is None else reachable_correlation(row["spearman"])
    inside = [limit["spearman"] for limit in limits if limit["layer"] not in (WITHIN, OVER_ALL)]
    limits[0]["spearman"] = _mean_of_known(inside)
    return limits


def _rows(base: Row, pairs: Mapping[str, Pair], layers: Sequence[str]) -> list[Row]:
    """Compare on average over the layers, over all units at once, and within each layer, in this order."""
    each = [_agreement_row(base, layer, pairs[layer]) for layer in layers]
    within = base | {"layer": WITHIN, "units": sum(row["units"] for row in each), "layers": len(each)}
    within |= {"constant": sum(row["constant"] for row in each)}
    within |= {name: _mean_of_known(row[name] for row in each) for name in MEASURES}
    first, second = (np.concatenate([pair[side] for pair in pairs.values()]) for side in (0, 1))
    return [within, _agreement_row(base, OVER_ALL, (first, second)), *each]


def _agreement_row(base: Row, layer: str, pair: Pair) -> Row:
    found = rank_agreement(*pair)
    row = base | {"layer": layer, "units": len(pair[0]), "layers": 1, "constant": int(found is None)}
    return row | {name: getattr(found, name, None) for name in MEASURES}


def _mean_over_seeds(rows: Sequence[Row]) -> Row:
    joined = rows[0] | {"n": sum(row["spearman"] is not None for row in rows)}
    joined |= {name: max(row[name] for row in rows) for name in ("units", "layers", "constant")}
    joined["seconds"] = _mean_of_known(row["seconds"] for row in rows)
    for name in MEASURES:
        values = [row[name] for row in rows if row[name] is not None]
        joined |= mean_and_half(name, values) if values else {name: None, f"{name}_half": None}
    return joined


def _mean_of_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _position(key: tuple[str, ...]) -> tuple[Any, ...]:
    """Sort key of a group. Layers stay in the order of the model."""
    task, criterion, truth, _ = key
    return task, (9, criterion) if criterion in ORACLE else table_order(criterion), list(TRUTHS).index(truth)
