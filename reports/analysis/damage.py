"""Points at which fine-tuning lowered the accuracy: too few steps, or a wrong rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prunebench.records.record import Record
from prunebench.reports.ordering import SCRATCH
from prunebench.reports.points import Point, RecordBySeed
from prunebench.reports.results import Results

ERRORS = 2  # standard errors of one accuracy on the test pictures: a smaller fall may be one of pictures


@dataclass(frozen=True)
class Damage:
    """What fine-tuning lowered in one task.

    points, of: how many points it lowered, of how many. worst: the point with the largest fall. before, after: mean
    accuracies there, as cut with BatchNorm re-estimated, and fine-tuned. steps: of fine-tuning; None where not on
    record.
    """

    task: str
    points: int
    of: int
    worst: Point
    before: float
    after: float
    epochs: int
    batch: int | None
    rate: float
    steps: int | None


def damages(results: Results) -> list[Damage]:
    """List the tasks in which fine-tuned accuracies lie below 'cut, BatchNorm re-estimated' by more than chance."""
    by_task: dict[str, list[tuple[Point, RecordBySeed]]] = {}
    for point, seeds in results.points.items():
        if point.criterion.partition(":")[0] != SCRATCH and any(_trained(record) for record in seeds.values()):
            by_task.setdefault(point.task, []).append((point, seeds))
    found = []
    for task, points in by_task.items():
        falls = [(fall, point) for point, seeds in points if (fall := _fall([*seeds.values()])) > 0]
        if falls:
            worst = max(falls)[1]
            found.append(_damage(task, worst, [*results.points[worst].values()], (len(falls), len(points))))
    return found


def _trained(record: Record) -> bool:
    return bool(record.protocol.get("finetune_epochs"))


def _fall(records: Sequence[Record]) -> float:
    """Give the mean fall of the accuracy by fine-tuning; 0 where pictures alone may explain it."""
    before, after = _means(records)
    pictures = min((r.per_image.pictures for r in records if r.per_image is not None), default=0)
    error = ERRORS * (before * (1 - before) / pictures) ** 0.5 if pictures else 0.0
    return before - after if before - after > error else 0.0


def _means(records: Sequence[Record]) -> tuple[float, float]:
    pairs = [(r.accuracy.cut_bn, r.accuracy.finetuned) for r in records if r.accuracy is not None]
    before, after = np.mean(pairs, axis=0)
    return float(before), float(after)


def _damage(task: str, worst: Point, records: Sequence[Record], counts: tuple[int, int]) -> Damage:
    protocol: dict[str, Any] = records[0].protocol
    batch, environment = protocol.get("batch"), records[0].environment
    before, after = _means(records)
    return Damage(
        task=task,
        points=counts[0],
        of=counts[1],
        worst=worst,
        before=before,
        after=after,
        epochs=int(protocol.get("finetune_epochs") or 0),
        batch=int(batch) if batch else None,
        rate=float(protocol.get("rate") or 0) * float(protocol.get("finetune_rate") or 0),
        steps=environment.steps.get("finetune") if environment else None,
    )
