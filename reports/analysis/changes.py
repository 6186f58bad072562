"""Changes between two runs of the same cells: in their surroundings, and in their results."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from prunebench.errors import UserError
from prunebench.records.record import Record
from prunebench.reports.analysis.pairing import paired_differences, shared_seeds
from prunebench.reports.analysis.verdicts import ALPHA, add_holm
from prunebench.reports.points import Point, RecordBySeed, make_point
from prunebench.reports.protocols import VARIED
from prunebench.reports.results import Results
from prunebench.reports.statistics.noninferiority import margin_tests
from prunebench.reports.statistics.one_sided import ROUNDING, one_sided_test

SAME, HELD, IMPROVED, REGRESSED, OPEN = "identical", "held", "improved", "regressed", "open"
FELL = "fell, too few seeds"
LOST = "failed now"


def changes_table(before: Results, after: Results, margin: float) -> pd.DataFrame:
    """One row per point that both runs have: paired difference after - before of the fine-tuned accuracy, by seed.

    identical: pairs whose accuracies, widths and predictions are equal. p_worse: one-sided paired t test of 'not worse'
    (sign flips where all differences are equal). p_holm: corrected over all points. size: pruned MACs (or weights),
    after / before, mean over the pairs. time: measured seconds, after / before, median over the pairs that were timed
    in the same setting.

    verdict: one of these, the first that holds.
    `identical`: all pairs are.
    `improved`, `held`: the point is non-inferior by the margin; improved if the interval lies above zero.
    `open`: the mean fell by no more than the margin.
    `fell, too few seeds`: no p_holm <= 0.05 was possible.
    `regressed`: p_holm <= 0.05; otherwise `open` again.
    `failed now`: the point finished before and fails now.
    """
    old, new = before.points, after.points
    both = [point for point in old if point in new and shared_seeds(old[point], new[point])]
    rows = [_row(point, old[point], new[point], margin) for point in both]
    add_holm(rows, "p_worse")
    add_holm(rows, "smallest_p", "smallest_holm")
    for row in rows:
        row["verdict"] = _verdict(row, margin)
    times = [_time_ratio(old[point], new[point], before, after) for point in both]
    failed = {_cell(record) for record in after.failures}
    lost = {make_point(record, before.tasks[record.key]): None for record in before.records if _cell(record) in failed}
    rows = [row | time for row, time in zip(rows, times, strict=True)]
    return pd.DataFrame([*rows, *(point._asdict() | {"n": 0, "verdict": LOST} for point in lost)])


def check_comparable(before: Results, after: Results) -> None:
    """Raise `UserError` where points cannot be matched: a task under several protocols, or no cell in common."""
    for results in (before, after):
        if results.notes:
            raise UserError(f"{results.source}: {results.notes[0]} Compare folders that hold one protocol of a task")
    versions = before.protocol_versions, after.protocol_versions
    if versions[0] != versions[1]:
        words = (f"{results.source} has protocol version {results.protocol_versions[0]}" for results in (before, after))
        raise UserError(f"{', '.join(words)}; results of different versions are not compared")
    old, new = before.points, after.points
    if not any(point in new and shared_seeds(old[point], new[point]) for point in old):
        raise UserError(
            f"{before.source} and {after.source} have no cell in common; the same task, criterion, ranking, keep and "
            "seed are needed in both"
        )


def changed_surroundings(before: Results, after: Results) -> Iterator[tuple[str, str, str]]:
    """Give the packages, machines, commits, options and data that differ: (name, before, after)."""
    old, new = _surroundings(before), _surroundings(after)
    for name in dict.fromkeys((*old, *new)):
        one, other = (", ".join(sorted(facts.get(name, {"not recorded"}))) for facts in (old, new))
        if one != other:
            yield name, one, other


def _row(point: Point, old: RecordBySeed, new: RecordBySeed, margin: float) -> dict[str, Any]:
    pairs, d = shared_seeds(new, old), paired_differences(new, old)
    found = margin_tests(d, margin)
    same = sum(_compared_facts(old[seed]) == _compared_facts(new[seed]) for seed in pairs)
    sizes = [_size(new[seed]) / _size(old[seed]) for seed in pairs]
    row = point._asdict() | {"n": len(d), "identical": same, "difference": found.mean, "low": found.low}
    row |= {"high": found.high, "held": found.noninferior, "size": float(np.mean(sizes))}
    if len(d) == 1:
        return row
    worse = one_sided_test(-d, 0.0)
    return row | {"p_worse": worse.p, "smallest_p": worse.smallest}


def _size(record: Record) -> int:
    """MACs, or the number of weights left where single weights were pruned."""
    assert record.pruned is not None  # checked in `results.gather_results`
    return sum(left for _, left in record.weights.values()) if record.weights else record.pruned.macs


def _verdict(row: dict[str, Any], margin: float) -> str:
    if row["identical"] == row["n"]:
        return SAME
    if row["held"]:
        return IMPROVED if row["low"] > 0 else HELD
    if row["difference"] >= -margin * (1 + ROUNDING):
        return OPEN
    if row.get("smallest_holm", 1.0) > ALPHA:
        return FELL
    return REGRESSED if row["p_holm"] <= ALPHA else OPEN


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


def _surroundings(results: Results) -> dict[str, set[str]]:
    """Collect the surroundings that the records state: sets of values by name."""
    found: dict[str, set[str]] = {}
    for record in results.records:
        facts = {f"option {name}": repr(value) for name, value in record.protocol.items() if name not in VARIED}
        facts |= {f"data of {record.cell.dataset}": record.fingerprint[:12]}
        if record.environment is not None:
            e = record.environment
            facts |= {f"package {name}": version for name, version in e.versions.items()}
            facts |= {"device": e.device, "processor": e.cpu, "threads": str(e.threads), "commit": e.commit or "none"}
            facts |= {"CPU kernels": "; ".join(sorted(set(e.kernels.values())))}
        for name, value in facts.items():
            found.setdefault(name, set()).add(value)
    return found


def _cell(record: Record) -> str:
    return record.cell.model_dump_json()
