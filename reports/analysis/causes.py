"""Separation of causes: effects of units, inherited weights, pruning, training, allocation, and the parts of A+B."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from prunebench.records.names import parts
from prunebench.reports.analysis.margins import failed_points
from prunebench.reports.analysis.pairing import compare, describe_differences, shared_seeds
from prunebench.reports.ordering import DENSE, DENSE_CONTINUED, LOCAL, RANDOM, SCRATCH, SHUFFLE, is_control
from prunebench.reports.points import (
    POINT_COLUMNS,
    Point,
    RecordBySeed,
    accuracy_change,
    distinct_seeds,
    group_comparable,
)
from prunebench.reports.protocols import of_blocks
from prunebench.reports.results import Results

FAILED, NOT_RUN, NO_SEED = "failed", "was not run", "has no seed in common"  # why a comparison is lacking
CAUSES = ("units", "weights", "pruning", "training", "allocation", "combination")
COLUMNS = [*POINT_COLUMNS, "cause", "reference", "reference_ranking", "n"]


def causes_table(results: Results) -> pd.DataFrame:
    """One row per point, cause and the control that isolates it; see `pairing.compare_points` for the other columns.

    units: X against `shuffle:X`, the same widths with random units. Under `local` ranking `random` serves an X without
    sparse training, unless whole blocks are removed.
    weights: X against `scratch:X`, the same widths with fresh weights.
    pruning: X against `dense_continued`, which is trained as long without being pruned.
    training: `dense_continued` against its dense network: the effect of the extra epochs alone.
    allocation: X against X under `local` ranking.
    combination: A+B against A and against B.
    """
    found = results.points
    rows = []
    for panel in group_comparable(found):
        for cause, ours, reference in _controls(panel, found):
            row = ours._asdict() | {"cause": cause, "reference": reference.criterion}
            row |= {"reference_ranking": reference.ranking}
            rows.append(row | compare(results, ours, reference))
        rows += [_training(point, found[point]) for point in panel if point.criterion == DENSE_CONTINUED]
    frame = pd.DataFrame(rows, columns=None if rows else COLUMNS)
    by_cause = frame["cause"].map({cause: number for number, cause in enumerate(CAUSES)})
    return frame.assign(_by=by_cause).sort_values("_by", kind="stable", ignore_index=True).drop(columns="_by")


def parts_without_pair(results: Results) -> Iterator[tuple[Point, str, str]]:
    """Give the comparisons that are lacking: a point, the part or shuffle that it lacks, and why."""
    found, failed = results.points, set(failed_points(results))
    controlled = {
        ours.comparison_key
        for panel in group_comparable(found)
        for cause, ours, _ in _controls(panel, found)
        if cause == "units"
    }
    for ours in found:
        sparse = not is_control(ours.criterion) and _random_control(ours, found) is None
        lacks_units = sparse and ours.comparison_key in controlled
        units = [ours._replace(criterion=f"{SHUFFLE}:{ours.criterion}")] if lacks_units else []
        for other in [*units, *_parts(ours)]:
            if other not in found:
                yield ours, other.criterion, FAILED if other in failed else NOT_RUN
            elif not shared_seeds(found[ours], found[other]):
                yield ours, other.criterion, NO_SEED


def _parts(ours: Point) -> list[Point]:
    names = () if is_control(ours.criterion) else parts(ours.criterion)
    return [ours._replace(criterion=name) for name in names] if len(names) > 1 else []


def _controls(panel: list[Point], found: Mapping[Point, RecordBySeed]) -> Iterator[tuple[str, Point, Point]]:
    """Give (cause, point, control) for every pair of a panel that isolates a cause."""
    here = dict.fromkeys(panel)
    scratch = [point for point in panel if point.criterion.startswith(f"{SCRATCH}:") and point.ranking == LOCAL]
    for ours in panel:
        if is_control(ours.criterion):
            continue
        own = {"units": f"{SHUFFLE}:{ours.criterion}", "weights": f"{SCRATCH}:{ours.criterion}"}
        for cause, name in (own | {"pruning": DENSE_CONTINUED}).items():
            reference = ours._replace(criterion=name)
            if reference not in here and cause == "pruning":
                reference = reference._replace(ranking=LOCAL)
            if reference not in here and _equal_widths(ours, found):
                stand_in = {"units": _random_control(ours, found), "weights": scratch[0] if scratch else None}
                reference = stand_in.get(cause) or reference
            if reference in here:
                yield cause, ours, reference
        same = ours._replace(ranking=LOCAL)
        if ours.ranking != LOCAL and same in here:
            yield "allocation", ours, same
        yield from (("combination", ours, part) for part in _parts(ours) if part in here)


def _equal_widths(ours: Point, found: Mapping[Point, RecordBySeed]) -> bool:
    """Tell whether all criteria have the widths of a point: under `local` ranking, but not where blocks go."""
    return ours.ranking == LOCAL and not any(of_blocks(record) for record in found[ours].values())


def _random_control(ours: Point, found: Mapping[Point, RecordBySeed]) -> Point | None:
    """Give the point of `random`, or None for a method with sparse training, which `random` lacks."""
    sparse = any(record.sparse is not None for record in found[ours].values())
    return None if sparse else ours._replace(criterion=RANDOM)


def _training(point: Point, seeds: RecordBySeed) -> dict[str, Any]:
    gained = np.array([accuracy_change(record) for record in distinct_seeds(seeds).values()])
    row = point._asdict() | {"cause": "training", "reference": DENSE, "reference_ranking": point.ranking}
    return row | describe_differences(gained)
