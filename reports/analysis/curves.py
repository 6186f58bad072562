"""Whole accuracy-compression curves: at equal achieved MACs (or weights), and by the area under them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunebench.records.names import parts
from prunebench.reports.analysis.pairing import describe_differences
from prunebench.reports.analysis.verdicts import Contrast
from prunebench.reports.ordering import BASELINE, DENSE_CONTINUED, cost_metric, is_control
from prunebench.reports.points import Point, RecordBySeed, distinct_seeds, finetuned_accuracy
from prunebench.reports.statistics.curves import area_under_curve, interpolate_accuracy, shared_range
from prunebench.reports.statistics.intervals import t_interval
from prunebench.reports.statistics.vectors import rounded


class Line(NamedTuple):
    """One criterion of one task and ranking, over all its keeps."""

    task: str
    ranking: str
    metric: str
    criterion: str


Curve = tuple[list[float], list[float]]  # achieved keeps of `cost_metric`, accuracies


def curves_by_line(found: Mapping[Point, RecordBySeed]) -> dict[Line, dict[int, Curve]]:
    """Give the curve of every line and seed. A keep that was achieved twice counts once.

    `dense_continued` has no curve.
    """
    lines: dict[Line, dict[int, Curve]] = {}
    for point, seeds in found.items():
        if point.criterion == DENSE_CONTINUED:
            continue
        line = _line_of_point(point)
        for seed, record in seeds.items():
            keeps, accuracies = lines.setdefault(line, {}).setdefault(seed, ([], []))
            keep = record.keep[cost_metric(line.metric)]
            if keep not in keeps:
                keeps.append(keep)
                accuracies.append(finetuned_accuracy(record))
    return lines


def differences_at_keep(ours: Mapping[int, Curve], other: Mapping[int, Curve], keep: float) -> NDArray[np.float64]:
    """Differences ours - other at one achieved keep, interpolated, of the shared seeds that reach it: (n,)."""
    found = []
    for seed in ours:
        both = (ours[seed], other[seed]) if seed in other else ()
        if both and all(min(keeps) <= keep <= max(keeps) for keeps, _ in both):
            one, two = (float(interpolate_accuracy(keeps, accuracies, [keep])[0]) for keeps, accuracies in both)
            found.append(one - two)
    return np.array(found)


def area_contrasts(found: Mapping[Point, RecordBySeed]) -> Iterator[Contrast]:
    """Give a row per line and reference, not judged yet; the columns are those of `differences.areas_table`."""
    lines, copies = curves_by_line(found), _repeated_lines(found)
    for key in dict.fromkeys((line.task, line.metric) for line in lines):
        panel = _complete_curves({line: lines[line] for line in lines if (line.task, line.metric) == key})
        limits = shared_range([keeps for seeds in panel.values() for keeps, _ in seeds.values()])
        if limits is None:
            continue
        areas = {
            line: {seed: area_under_curve(*curve, *limits) for seed, curve in seeds.items()}
            for line, seeds in panel.items()
        }
        for line in areas:
            yield from _contrasts(line, areas, limits, copies)


def _repeated_lines(found: Mapping[Point, RecordBySeed]) -> set[Line]:
    """Give the lines whose seeds repeat one computation at every keep (`points.distinct_seeds`)."""
    varied = {_line_of_point(point) for point, seeds in found.items() if len(distinct_seeds(seeds)) == len(seeds)}
    return {_line_of_point(point) for point in found} - varied


def _line_of_point(point: Point) -> Line:
    return Line(point.task, point.ranking, point.metric, point.criterion)


def _complete_curves(panel: Mapping[Line, Mapping[int, Curve]]) -> dict[Line, dict[int, Curve]]:
    """Leave out curves with fewer keeps than others: these failed or are unfinished, and would narrow the range."""
    most = max(len(keeps) for seeds in panel.values() for keeps, _ in seeds.values())
    whole = {line: {s: c for s, c in seeds.items() if len(c[0]) == most} for line, seeds in panel.items()}
    return {line: seeds for line, seeds in whole.items() if seeds}


def _contrasts(
    line: Line, areas: Mapping[Line, Mapping[int, float]], limits: tuple[float, float], copies: set[Line]
) -> list[Contrast]:
    own = areas[line]
    interval = t_interval(list(own.values()))
    row = line._asdict() | {"seeds": interval.n, "from_keep": limits[0], "to_keep": limits[1]}
    row |= {"area": interval.mean, "area_half": interval.half}
    references = [] if is_control(line.criterion) else [BASELINE, *parts(line.criterion)]
    compared = []
    for name in dict.fromkeys(references):
        reference = line._replace(criterion=name)
        other = areas.get(reference)
        if other is None or name == line.criterion:
            continue
        seeds = [seed for seed in own if seed in other]
        seeds = seeds[:1] if {line, reference} <= copies else seeds
        pairs = np.array([(own[seed], other[seed]) for seed in seeds]).reshape(-1, 2)
        d = rounded(pairs[:, 0] - pairs[:, 1], pairs) if seeds else np.empty(0)
        columns = describe_differences(d) if seeds else {"n": 0}
        whole = row | {"reference": name, "primary": True, "keep_gap": 0.0} | columns
        compared.append(Contrast(whole, dict(zip(seeds, d.tolist(), strict=True))))
    return compared or [Contrast(row | {"primary": False}, {})]
