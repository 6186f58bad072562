"""Points over their seeds: one requested keep of one criterion. All comparisons are between points."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prunebench.records.names import RANKINGS
from prunebench.records.record import Cell, Record
from prunebench.reports.ordering import table_order


class Point(NamedTuple):
    """One requested keep of one criterion, over all its seeds.

    task: dataset x model, with the protocol's number where the task was run under several.
    """

    task: str
    ranking: str
    metric: str
    keep: float
    criterion: str

    @property
    def comparison_key(self) -> tuple[str, str, float]:
        """Task, metric and keep: two points with equal keys can be compared."""
        return self.task, self.metric, self.keep

    @property
    def position(self) -> tuple[str, int, str, float, tuple[int, str]]:
        """Sort key, the order of all tables: task, ranking, metric, keep (largest first), criterion."""
        return self.task, RANKINGS.index(self.ranking), self.metric, -self.keep, table_order(self.criterion)


POINT_COLUMNS = [*Point._fields]
PANEL_COLUMNS = POINT_COLUMNS[:3]  # task, ranking and metric: one panel of a figure
RecordBySeed = dict[int, Record]


def make_point(record: Record, task: str) -> Point:
    """Give the point of a record. task: its name in the report."""
    return point_of_cell(record.cell, task)


def point_of_cell(cell: Cell, task: str) -> Point:
    """Give the point of a requested cell. task: its name in the report."""
    return Point(task, cell.ranking, cell.metric, cell.keep, cell.criterion)


def group_by_point(records: Iterable[Record], tasks: Mapping[str, str]) -> dict[Point, RecordBySeed]:
    """Group records by point, in the order of the tables, then by seed. tasks: names by the record's key."""
    found: dict[Point, RecordBySeed] = {}
    for record in sorted(records, key=lambda record: record.cell.seed):
        found.setdefault(make_point(record, tasks[record.key]), {})[record.cell.seed] = record
    return {point: found[point] for point in sorted(found, key=lambda point: point.position)}


def group_comparable(points: Iterable[Point]) -> Iterator[list[Point]]:
    """Give the lists of points that can be compared: same task, metric and keep; any ranking."""
    groups: dict[tuple[str, str, float], list[Point]] = {}
    for point in points:
        groups.setdefault(point.comparison_key, []).append(point)
    yield from groups.values()


def distinct_seeds(seeds: RecordBySeed) -> RecordBySeed:
    """Keep one seed where the outcomes of all seeds are equal to the last picture: they repeat one computation.

    Seeds repeat where nothing that a seed draws plays a part, as in cuts of a given network by a data-free score.
    """
    records = [*seeds.values()]
    one = len(records) > 1 and all(_outcome(record) == _outcome(records[0]) for record in records[1:])
    return dict([next(iter(seeds.items()))]) if one else seeds


def _outcome(record: Record) -> tuple[object, ...]:
    loss = record.loss and record.loss.finetuned
    return dense_accuracy(record), finetuned_accuracy(record), loss, record.widths, record.per_image


def finetuned_accuracy(record: Record) -> float:
    """Accuracy after fine-tuning, a fraction."""
    assert record.accuracy is not None  # checked in `results.gather_results`
    return record.accuracy.finetuned


def dense_accuracy(record: Record) -> float:
    """Accuracy of the block's dense network, a fraction."""
    assert record.accuracy is not None
    return record.accuracy.dense


def accuracy_change(record: Record) -> float:
    """Accuracy after fine-tuning minus that of the block's dense network, a fraction."""
    return finetuned_accuracy(record) - dense_accuracy(record)
