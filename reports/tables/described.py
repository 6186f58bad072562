"""The records whose test pictures are described, by task, ranking and metric."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from prunebench.records.files import DataFile
from prunebench.records.record import Record
from prunebench.reports.ordering import DENSE
from prunebench.reports.points import Point, RecordBySeed
from prunebench.reports.results import Results


@dataclass(frozen=True)
class Described:
    """Records of one task, ranking and metric on the same test pictures.

    points: records with results per picture, by point and seed. dense: a record of each seed that holds the labels of
    the dense network. dense_point: how tables name that network, which is at keep 1.
    """

    data: DataFile
    points: dict[Point, RecordBySeed]
    dense: RecordBySeed
    dense_point: Point


def described_records(results: Results) -> Iterator[Described]:
    """Give the records of each task, ranking and metric that have a description; the first one's data count."""
    for (task, ranking, metric), points in groupby(results.points.items(), key=lambda item: item[0][:3]):
        seen = {point: {seed: one for seed, one in seeds.items() if one.per_image} for point, seeds in points}
        data = next((found for one in _records(seen) if (found := results.data.get(one.fingerprint))), None)
        if data is None:
            continue
        alike = {
            point: {seed: one for seed, one in seeds.items() if one.fingerprint == data.fingerprint}
            for point, seeds in seen.items()
        }
        dense = {one.cell.seed: one for one in _records(alike) if one.dense_per_image}
        network = Point(task, ranking, metric, 1.0, DENSE)
        yield Described(data, {p: seeds for p, seeds in alike.items() if seeds}, dense, network)


def _records(points: dict[Point, RecordBySeed]) -> Iterator[Record]:
    return (record for seeds in points.values() for record in seeds.values())
