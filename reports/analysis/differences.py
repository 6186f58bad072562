"""Paired differences to the baseline, to the parts of a combination and to the controls: at keeps and over curves."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import pandas as pd

from prunebench.records.names import parts
from prunebench.reports.analysis.curves import Curve, Line, area_contrasts, curves_by_line, differences_at_keep
from prunebench.reports.analysis.pairing import compare, differences_by_seed
from prunebench.reports.analysis.verdicts import OTHER_BUDGET, Contrast, judge_families
from prunebench.reports.ordering import BASELINE, LOCAL, SCRATCH, SHUFFLE, is_control
from prunebench.reports.points import POINT_COLUMNS, Point, group_comparable, make_point, point_of_cell
from prunebench.reports.results import Results
from prunebench.reports.statistics.curves import shared_range
from prunebench.reports.statistics.intervals import t_interval

COLUMNS = [*POINT_COLUMNS, "reference", "reference_ranking", "n", "primary"]
AREA_COLUMNS = ["task", "ranking", "metric", "criterion", "seeds", "from_keep", "to_keep", "area"]


def contrast_tables(results: Results) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the tables `differences` and `areas`, whose primary contrasts are judged together; see there."""
    found = results.points
    at_keeps = [one for panel in group_comparable(found) for one in _contrasts(panel, results)]
    over_curves = [*area_contrasts(found)]
    judge_families([*at_keeps, *over_curves], lost_contrasts(results, over_curves))
    lines = curves_by_line(found)
    rows = [one.row | _at_equal_cost(one.row, lines) for one in at_keeps]
    areas = [one.row for one in over_curves]
    tables = ((rows, COLUMNS), (areas, AREA_COLUMNS))
    first, second = (pd.DataFrame(part, columns=None if part else names) for part, names in tables)
    return first, second


def differences_table(results: Results) -> pd.DataFrame:
    """One row per point and reference; see `pairing.compare_points` for the columns of the comparison.

    References of the same ranking are `magnitude` and, for `A+B`, also A and B. These contrasts are `primary`, with
    the further columns of `verdicts.judge_families`. The other references are the controls. A control that was run only
    under `local` ranking serves the other rankings too, as its units do not depend on scores. `shuffle:X` is a
    reference of X only. `scratch:X` is a reference of every method under `local`, where widths are equal, and of X
    elsewhere.

    equal_*: where the achieved keeps of a primary contrast differ, the comparison at MACs that both reached,
    interpolated on their curves.
    """
    return contrast_tables(results)[0]


def areas_table(results: Results) -> pd.DataFrame:
    """One row per line and reference: mean accuracy over the compression that all lines of a task and metric share.

    area: accuracy averaged over log(MACs kept) from `from_keep` to `to_keep`, mean over the criterion's seeds;
    area_half: half of its 95 % t interval. Methods have a row for each primary contrast of the area. Its columns are
    those of `pairing.describe_differences` and `verdicts.judge_families`. Seeds that lack a keep are left out. The
    table is empty where there is one keep only.
    """
    return contrast_tables(results)[1]


def is_primary(criterion: str, reference: str) -> bool:
    """Tell the contrasts that are declared beforehand: a method against the baseline, `A+B` against A and B.

    >>> is_primary("taylor", "magnitude"), is_primary("reg_obd", "obd"), is_primary("taylor", "random")
    (True, True, False)
    >>> is_primary("c_obd", "obd:curvature=sampled")
    False
    """
    if is_control(criterion) or is_control(reference) or criterion == reference:
        return False
    made_of = parts(criterion)
    return reference == BASELINE or (len(made_of) > 1 and reference in made_of)  # an alias of one part is that part


def lost_contrasts(results: Results, over_curves: Sequence[Contrast]) -> Counter[tuple[str, str]]:
    """Count the primary contrasts without a row, by task and ranking: no seed of a point of theirs is finished.

    over_curves: the rows of curves. A curve lacks the keep of such a point.
    """
    gone = _requested_points(results) - results.points.keys()
    if not gone:
        return Counter()
    declared = {*results.points, *gone}
    at_keeps = {
        (ours, reference)
        for ours, reference in permutations(declared, 2)
        if is_primary(ours.criterion, reference.criterion) and ours[:4] == reference[:4] and {ours, reference} & gone
    }
    pairs = {(ours[:3], ours.criterion, reference.criterion) for ours, reference in at_keeps}
    have = {
        ((row["task"], row["ranking"], row["metric"]), row["criterion"], row["reference"])
        for row in (one.row for one in over_curves)
        if row["primary"]
    }
    keeps = Counter(panel for panel, _ in {(point[:3], point.keep) for point in declared})
    curves = [panel for panel, *pair in pairs if keeps[panel] > 1 and (panel, *pair) not in have]
    return Counter([ours[:2] for ours, _ in at_keeps]) + Counter([panel[:2] for panel in curves])


def _requested_points(results: Results) -> set[Point]:
    """Give the points that failed, and those that an interrupted run has not computed.

    A missing cell does not know its protocol, so it belongs to every protocol of its task.
    """
    tasks: dict[str, set[str]] = {}
    for record in (*results.records, *results.failures):
        tasks.setdefault(record.cell.task, set()).add(results.tasks[record.key])
    failed = {make_point(record, results.tasks[record.key]) for record in results.failures}
    missing = {point_of_cell(cell, task) for cell in results.missing for task in tasks.get(cell.task, ())}
    return failed | missing


def _contrasts(panel: list[Point], results: Results) -> Iterator[Contrast]:
    found = results.points
    for ours, reference in _pairs(panel):
        row = ours._asdict() | {"reference": reference.criterion, "reference_ranking": reference.ranking}
        row |= compare(results, ours, reference)
        row |= {"primary": is_primary(ours.criterion, reference.criterion)}
        yield Contrast(row, differences_by_seed(found[ours], found[reference]) if row["primary"] else {})


def _at_equal_cost(row: dict[str, Any], lines: Mapping[Line, Mapping[int, Curve]]) -> dict[str, Any]:
    """Interpolate to a cost that both reached, where the budgets of a primary contrast differ; needs several keeps."""
    if row.get("verdict") != OTHER_BUDGET:
        return {}
    ours = Line(row["task"], row["ranking"], row["metric"], row["criterion"])
    pair = lines[ours], lines[ours._replace(criterion=row["reference"])]
    limits = shared_range([keeps for line in pair for keeps, _ in line.values()])
    if limits is None:
        return {}
    keep = min(max(row["keep"], limits[0]), limits[1])
    interval = t_interval(differences_at_keep(*pair, keep))
    return {
        "equal_keep": keep,
        "equal_n": interval.n,
        "equal_difference": interval.mean,
        "equal_low": interval.low,
        "equal_high": interval.high,
    }


def _pairs(panel: list[Point]) -> Iterator[tuple[Point, Point]]:
    here = set(panel)
    names = list(dict.fromkeys(point.criterion for point in panel))
    for ours in panel:
        if is_control(ours.criterion):
            continue
        for name in names:
            reference = ours._replace(criterion=name)
            if is_control(name) and reference not in here:
                reference = reference._replace(ranking=LOCAL)
            if reference in here and _is_reference_of(reference, ours):
                yield ours, reference


def _is_reference_of(reference: Point, ours: Point) -> bool:
    if not is_control(reference.criterion):
        return is_primary(ours.criterion, reference.criterion)
    head, _, of = reference.criterion.partition(":")
    if head == SHUFFLE:  # shares the sparse training of its X: beside another method two things would differ
        return reference.ranking == ours.ranking and of == ours.criterion
    if head == SCRATCH:  # takes over widths only, and under `local` ranking all methods have the same widths
        return reference.ranking == ours.ranking and (ours.ranking == LOCAL or of == ours.criterion)
    return True
