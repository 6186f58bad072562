"""Changes between two runs of the same cells: in their surroundings, and in their results."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prunebench.records.record import Record
from prunebench.reports.analysis.pairing import paired_differences, shared_seeds
from prunebench.reports.analysis.verdicts import ALPHA, add_holm
from prunebench.reports.points import Point, RecordBySeed, make_point
from prunebench.reports.results import Results
from prunebench.reports.statistics.noninferiority import margin_tests
from prunebench.reports.statistics.one_sided import ROUNDING, one_sided_test

SAME, HELD, IMPROVED, REGRESSED, OPEN = "identical", "held", "improved", "regressed", "open"
FELL = "fell, too few seeds"
LOST = "failed now"


def changes_table(before: Results, after: Results, margin: float) -> pd.DataFrame:
    """One row per point that both runs have: paired difference after - before of the fine-tuned accuracy, by seed.

    identical: pairs whose accuracies, widths and predictions are equal. p_worse: one-sided paired t test of 'the mean
    fell by no more than the margin'; p_better: of 'it did not rise'. Sign flips stand in where all differences are
    equal. Both are adjusted over all points (Holm). size: pruned MACs (or weights), after / before, mean over pairs.
    time: measured seconds, after / before, median over the pairs that were timed in the same setting.

    verdict: one of these, the first that holds.
    `identical`: all pairs are.
    `regressed`, `improved`: p_worse or p_better is at most 0.05.
    `held`: the point is non-inferior by the margin.
    `fell, too few seeds`: the mean fell by more than the margin, and no p_worse <= 0.05 was possible.
    `open`: nothing of this is shown.
    `failed now`: the point finished before and fails now.
    """
    old, new = before.points, after.points
    both = [point for point in old if point in new and shared_seeds(old[point], new[point])]
    rows = [_row(point, old[point], new[point], margin) for point in both]
    judge_changes(rows, margin)
    times = [_time_ratio(old[point], new[point], before, after) for point in both]
    failed = {_cell(record, after) for record in after.failures}
    gone = (record for record in before.records if _cell(record, before) in failed)
    lost = {make_point(record, before.tasks[record.key]): None for record in gone}
    rows = [row | time for row, time in zip(rows, times, strict=True)]
    return pd.DataFrame([*rows, *(point._asdict() | {"n": 0, "verdict": LOST} for point in lost)])


def judge_changes(rows: Sequence[dict[str, Any]], margin: float) -> None:
    """Adjust the p of all points, and add their verdicts, in place. rows: with the columns of `describe_change`."""
    for name in ("p_worse", "p_better", "smallest_p"):
        add_holm(rows, name, name)
    for row in rows:
        row["verdict"] = _verdict(row, margin)


def describe_change(d: NDArray[np.float64], margin: float) -> dict[str, Any]:
    """Describe and test the differences after - before of one point, (n,), fractions: columns of one row."""
    found = margin_tests(d, margin)
    row: dict[str, Any] = {"n": len(d), "difference": found.mean, "low": found.low, "high": found.high}
    row["held"] = found.noninferior
    if len(d) == 1:
        return row
    worse, better = one_sided_test(-d, margin), one_sided_test(d, 0.0)
    return row | {"p_worse": worse.p, "smallest_p": worse.smallest, "p_better": better.p}


def _row(point: Point, old: RecordBySeed, new: RecordBySeed, margin: float) -> dict[str, Any]:
    pairs = shared_seeds(new, old)
    same = sum(_compared_facts(old[seed]) == _compared_facts(new[seed]) for seed in pairs)
    sizes = [_size(new[seed]) / _size(old[seed]) for seed in pairs]
    row = point._asdict() | describe_change(paired_differences(new, old), margin)
    return row | {"identical": same, "size": float(np.mean(sizes))}


def _size(record: Record) -> int:
    """MACs, or the number of weights left where single weights were pruned."""
    assert record.pruned is not None  # checked in `results.gather_results`
    return sum(left for _, left in record.weights.values()) if record.weights else record.pruned.macs


def _verdict(row: dict[str, Any], margin: float) -> str:
    if row["identical"] == row["n"]:
        return SAME
    for verdict, p in ((REGRESSED, "p_worse"), (IMPROVED, "p_better")):
        if row.get(p, 1.0) <= ALPHA:
            return verdict
    if row["held"]:
        return HELD
    fell = row["difference"] < -margin * (1 + ROUNDING)
    return FELL if fell and row.get("smallest_p", 1.0) > ALPHA else OPEN


def _compared_facts(record: Record) -> dict[str, Any]:
    """Give the facts of which identical runs agree. Keys differ with versions; the other facts follow from these."""
    return record.model_dump(
        include={"accuracy", "loss", "widths", "weights", "per_image"}, exclude={"per_image": {"correct"}}
    )


def _time_ratio(old: RecordBySeed, new: RecordBySeed, before: Results, after: Results) -> dict[str, float]:
    """Measured seconds after / before, over the seeds that both timed with the same backend, batch and threads."""
    ratios = []
    for seed in shared_seeds(new, old):
        first, second = (
            {(x.backend, x.batch, x.threads): x.pruned_seconds for x in results.latencies.get(record.key, ())}
            for results, record in ((before, old[seed]), (after, new[seed]))
        )
        ratios += [second[setting] / first[setting] for setting in first if setting in second]
    return {"time": float(np.median(ratios))} if ratios else {}


def _cell(record: Record, results: Results) -> tuple[str, str]:
    return results.tasks[record.key], record.cell.model_dump_json()
