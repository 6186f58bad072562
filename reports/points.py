"""Records by what was asked: the points that everything else compares."""

from collections.abc import Iterator
from typing import NamedTuple

from prunebench.records.names import RANKINGS
from prunebench.records.record import Record
from prunebench.reports.grid import table_order
from prunebench.reports.results import Results


class Point(NamedTuple):
    """One requested keep of one criterion, over all its seeds. task: with the protocol's number, if several."""

    task: str
    ranking: str
    metric: str
    keep: float
    criterion: str

    @property
    def panel(self) -> tuple[str, str, float]:
        """What two points must share to be compared: task, metric and keep."""
        return self.task, self.metric, self.keep


RecordBySeed = dict[int, Record]


def group_by_point(results: Results) -> dict[Point, RecordBySeed]:
    """Sort records by point, in the order of the tables, then by seed."""
    found: dict[Point, RecordBySeed] = {}
    for record in sorted(results.records, key=lambda record: record.cell.seed):
        cell = record.cell
        point = Point(results.tasks[record.key], cell.ranking, cell.metric, cell.keep, cell.criterion)
        found.setdefault(point, {})[cell.seed] = record
    return {point: found[point] for point in sorted(found, key=_position)}


def group_by_panel(found: dict[Point, RecordBySeed]) -> Iterator[list[Point]]:
    """Give the points that can be compared with each other: same task, metric and keep; any ranking."""
    groups: dict[tuple[str, str, float], list[Point]] = {}
    for point in found:
        groups.setdefault(point.panel, []).append(point)
    yield from groups.values()


def distinct_seeds(seeds: RecordBySeed) -> RecordBySeed:
    """Keep one seed alone where all have one outcome, to the last picture: they repeat one computation.

    So it is where nothing that the seed draws plays a part, as in cuts of a given network by a data-free score.
    """
    outcomes = [
        (dense_accuracy(r), finetuned_accuracy(r), r.loss and r.loss.finetuned, r.widths, r.per_image)
        for r in seeds.values()
    ]
    one = len(outcomes) > 1 and all(outcome == outcomes[0] for outcome in outcomes)
    return dict([next(iter(seeds.items()))]) if one else seeds


def finetuned_accuracy(record: Record) -> float:
    """Accuracy after fine-tuning, a fraction."""
    assert record.accuracy is not None  # checked where results are gathered
    return record.accuracy.finetuned


def dense_accuracy(record: Record) -> float:
    """Accuracy of the block's dense network, a fraction."""
    assert record.accuracy is not None
    return record.accuracy.dense


def _position(point: Point) -> tuple[str, int, str, float, tuple[int, str]]:
    return point.task, RANKINGS.index(point.ranking), point.metric, -point.keep, table_order(point.criterion)
