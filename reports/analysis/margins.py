"""'Without loss of accuracy', as a test: non-inferiority against a margin that was chosen beforehand."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from prunebench.reports.analysis.pairing import paired_differences
from prunebench.reports.ordering import DENSE, DENSE_CONTINUED, LOCAL
from prunebench.reports.points import (
    POINT_COLUMNS,
    Point,
    RecordBySeed,
    accuracy_change,
    distinct_seeds,
    make_point,
)
from prunebench.reports.results import Results
from prunebench.reports.statistics.noninferiority import Margin, largest_share, margin_tests, smallest_keep_held
from prunebench.reports.statistics.one_sided import ROUNDING

MARGIN = 0.005  # half a point of accuracy
COLUMNS = [*POINT_COLUMNS, "reference", "n", "margin", "difference", "low", "high", "noninferior"]
KEY = ["task", "ranking", "metric", "criterion", "reference"]
SMALLEST_COLUMNS = [*KEY, "n", "margin", "smallest_keep", "params_kept", "lost", "may_lose", "tested_to", "failed_at"]


def margins_table(results: Results, margin: float = MARGIN) -> pd.DataFrame:
    """One row per point and reference: whether the point is non-inferior, and equivalent, by `margin` (a fraction).

    reference: `dense`, the network before pruning, or `dense_continued`, that network trained for the same epochs,
    which excludes the gain of training. difference, low, high: paired, with a 95 % t interval. noninferior, equivalent:
    true or false, missing for one seed. p_noninferior, p_equivalent: see `statistics.noninferiority`.
    lost: seeds that lost more than the margin. may_lose: the largest share of runs of which this is not excluded.
    """
    found = results.points
    rows = [
        point._asdict()
        | {"reference": reference, "params_kept": _params_kept(found[point])}
        | _columns(margin_tests(d, margin))
        | _losses(d, margin)
        for point in found
        if point.criterion != DENSE_CONTINUED
        for reference, d in _references(point, found)
    ]
    return pd.DataFrame(rows, columns=None if rows else COLUMNS)


def failed_points(results: Results) -> list[Point]:
    """Points of which a seed failed. Their other seeds are no evidence that nothing is lost."""
    return [make_point(record, results.tasks[record.key]) for record in results.failures]


def smallest_keeps_table(margins: pd.DataFrame, failed: Iterable[Point]) -> pd.DataFrame:
    """One row per task, ranking, metric, criterion and reference: the smallest keep that is non-inferior.

    margins: as `margins_table`. failed: as `failed_points`. The keeps are tested from the largest down (fixed
    sequence). The sequence ends at the first keep that fails, in the test or through a failed seed. So the whole
    statement is wrong at most once in forty.

    smallest_keep: missing where the largest keep fails. params_kept: the fraction of the parameters left there.
    lost, may_lose: as in `margins_table`, at that keep. tested_to: the smallest keep there is. failed_at: the largest
    keep with a failed seed. n: the fewest seeds of any keep.
    """
    broken: dict[tuple[str, ...], list[float]] = {}
    for point in failed:
        broken.setdefault((point.task, point.ranking, point.metric, point.criterion), []).append(point.keep)
    rows = []
    for values, part in margins.groupby(KEY, sort=False):
        answers = zip(part["keep"], part["noninferior"], strict=True)
        held = {keep: None if pd.isna(answer) else bool(answer) for keep, answer in answers}
        lost = broken.get(tuple(map(str, values[:-1])), [])
        held |= dict.fromkeys(lost, False)
        at = {row["keep"]: row for row in part.to_dict("records")}
        row = dict(zip(KEY, values, strict=True)) | {"n": int(part["n"].min()), "margin": part["margin"].iloc[0]}
        smallest = smallest_keep_held(list(held), list(held.values()))
        row |= {"smallest_keep": smallest}
        row |= {name: at[smallest][name] if smallest else None for name in ("params_kept", "lost", "may_lose")}
        rows.append(row | {"tested_to": part["keep"].min(), "failed_at": max(lost, default=None)})
    return pd.DataFrame(rows, columns=SMALLEST_COLUMNS)


def _references(point: Point, found: Mapping[Point, RecordBySeed]) -> Iterator[tuple[str, np.ndarray]]:
    ours = found[point]
    yield DENSE, np.array([accuracy_change(record) for record in distinct_seeds(ours).values()])
    for ranking in (point.ranking, LOCAL):
        reference = found.get(point._replace(criterion=DENSE_CONTINUED, ranking=ranking))
        if reference is not None and len(paired := paired_differences(ours, reference)):
            yield DENSE_CONTINUED, paired
            return


def _params_kept(seeds: RecordBySeed) -> float:
    return float(np.mean([record.keep["params"] for record in seeds.values()]))


def _losses(d: np.ndarray, margin: float) -> dict[str, object]:
    lost = int(np.count_nonzero(d < -margin * (1 + ROUNDING)))
    return {"lost": lost, "may_lose": largest_share(lost, len(d))}


def _columns(result: Margin) -> dict[str, object]:
    names = ("n", "margin", "difference", "low", "high", "noninferior", "equivalent", "p_noninferior", "p_equivalent")
    fields = asdict(result) | {"difference": result.mean}
    return {name: fields[name] for name in names}
