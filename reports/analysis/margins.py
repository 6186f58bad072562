"""'Without loss of accuracy', as a test: non-inferiority against a margin that was chosen beforehand."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from prunebench.reports.analysis.pairing import paired_differences
from prunebench.reports.points import (
    Point,
    RecordBySeed,
    dense_accuracy,
    distinct_seeds,
    finetuned_accuracy,
    group_by_point,
)
from prunebench.reports.results import Results
from prunebench.reports.statistics.noninferiority import Margin, margin_tests, smallest_keep_held

MARGIN = 0.005  # half a point of accuracy
DENSE, CONTINUED = "dense", "dense_continued"
COLUMNS = [*Point._fields, "reference", "n", "margin", "difference", "low", "high", "noninferior"]
KEY = ["task", "ranking", "metric", "criterion", "reference"]
HELD = [*KEY, "n", "margin", "smallest_keep", "params_kept", "tested_to", "failed_at"]


def margins_table(results: Results, margin: float = MARGIN) -> pd.DataFrame:
    """One row per point and reference: whether it is non-inferior, and equivalent, by `margin` (a fraction).

    reference: `dense`, the network before pruning, or `dense_continued`, that network trained for the same epochs,
    which takes the gain of training out of the question. difference, low, high: paired, 95 % t interval;
    noninferior, equivalent: true or false, missing for one seed; p_noninferior, p_equivalent: see `statistics.margin`.
    """
    found = group_by_point(results)
    rows = [
        point._asdict()
        | {"reference": reference, "params_kept": _params_kept(found[point])}
        | _columns(margin_tests(d, margin))
        for point in found
        if point.criterion != CONTINUED
        for reference, d in _references(point, found)
    ]
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)


def failed_points(results: Results) -> list[Point]:
    """Points of which a seed failed; what the others gave is no evidence that nothing is lost."""
    cells = [(results.tasks[record.key], record.cell) for record in results.failures]
    return [Point(task, cell.ranking, cell.metric, cell.keep, cell.criterion) for task, cell in cells]


def smallest_keeps_table(margins: pd.DataFrame, failed: Iterable[Point] = ()) -> pd.DataFrame:
    """One row per task, ranking, metric, criterion and reference: the smallest keep that is non-inferior.

    margins: as `margins_table` makes it; failed: as `failed_points`. The keeps are tested from the largest down and the
    first that fails, as a test or because a seed of it did not come out, ends it (fixed sequence), so that the whole
    statement is wrong at most once in forty. smallest_keep is missing where the largest keep fails already;
    params_kept: the fraction of the parameters left there; tested_to: the smallest keep there is; failed_at: the
    largest keep that did not come out for every seed; n: the fewest seeds of any keep.
    """
    broken: dict[tuple[str, ...], list[float]] = {}
    for point in failed:
        broken.setdefault((point.task, point.ranking, point.metric, point.criterion), []).append(point.keep)
    rows = []
    for values, part in margins.groupby(KEY, sort=False):
        held = {
            k: None if pd.isna(flag) else bool(flag) for k, flag in zip(part["keep"], part["noninferior"], strict=True)
        }
        lost = broken.get(tuple(map(str, values[:-1])), [])
        held |= dict.fromkeys(lost, False)
        left = dict(zip(part["keep"], part["params_kept"], strict=True))
        row = dict(zip(KEY, values, strict=True)) | {"n": int(part["n"].min()), "margin": part["margin"].iloc[0]}
        smallest = smallest_keep_held(list(held), list(held.values()))
        row |= {"smallest_keep": smallest, "params_kept": left.get(smallest) if smallest else None}
        rows.append(row | {"tested_to": min(left), "failed_at": max(lost, default=None)})
    return pd.DataFrame(rows, columns=HELD)


def _references(point: Point, found: Mapping[Point, RecordBySeed]) -> Iterator[tuple[str, np.ndarray]]:
    ours = found[point]
    yield (
        DENSE,
        np.array([finetuned_accuracy(record) - dense_accuracy(record) for record in distinct_seeds(ours).values()]),
    )
    for ranking in (point.ranking, "local"):
        reference = found.get(point._replace(criterion=CONTINUED, ranking=ranking))
        if reference is not None and len(paired := paired_differences(ours, reference)):
            yield CONTINUED, paired
            return


def _params_kept(seeds: RecordBySeed) -> float:
    return float(np.mean([record.keep.get("params", np.nan) for record in seeds.values()]))


def _columns(result: Margin) -> dict[str, object]:
    return {
        "n": result.n,
        "margin": result.margin,
        "difference": result.mean,
        "low": result.low,
        "high": result.high,
        "noninferior": result.noninferior,
        "equivalent": result.equivalent,
        "p_noninferior": result.p_noninferior,
        "p_equivalent": result.p_equivalent,
    }
