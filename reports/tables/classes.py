"""What the networks confuse, where the source has the true labels: counts, rates of classes, areas under ROC curves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from prunebench.errors import UserError, printable
from prunebench.records.files import DataFile
from prunebench.records.packed import DensePerPicture, PerPicture
from prunebench.records.record import Record
from prunebench.reports.points import POINT_COLUMNS, Point
from prunebench.reports.results import Results
from prunebench.reports.statistics.classification import (
    class_counts,
    confusion_matrix,
    rates,
    roc_auc,
    second_class_scores,
)
from prunebench.reports.tables.described import described_records
from prunebench.reports.tables.records import mean_and_half

MOST_CLASSES = 20  # of a confusion matrix; larger ones are hard to read, and their tables are large
CONFUSION = [*POINT_COLUMNS, "true", "predicted", "n", "pictures"]
CLASSES = [*POINT_COLUMNS, "class", "pictures", "n", "recall", "recall_half", "precision", "precision_half"]
AUC = [*POINT_COLUMNS, "positive", "n", "auc", "auc_half"]


@dataclass(frozen=True)
class Seen:
    """One network on the test pictures.

    counts: right answers, pictures and predictions of each class, (3, classes). matrix: (classes, classes), rows are
    true; of up to `MOST_CLASSES`. auc: nan but for two classes.
    """

    counts: NDArray[np.int64]
    matrix: NDArray[np.int64] | None
    auc: float


def class_tables(results: Results) -> dict[str, pd.DataFrame]:
    """Make the tables `confusion`, `classes` and `auc`, empty where the source has no true labels.

    The dense network is the point `dense` at keep 1 of its task, ranking and metric.

    confusion: one row per point, true and predicted class, for up to `MOST_CLASSES` classes. Its pictures are a mean
    number over the n seeds. Pairs that no network confused are left out.

    classes: one row per point and class. recall: share of the class's pictures that are recognised. precision: share
    of right answers among those with this label, missing where the label was never given. *_half: half of the 95 % t
    interval.

    auc: one row per point with two classes, of the score of the second one.

    Raises `UserError` where records contradict the true labels.
    """
    confusion: list[dict[str, Any]] = []
    classes: list[dict[str, Any]] = []
    areas: list[dict[str, Any]] = []
    for point, data, seen in _networks(results):
        matrices = [one.matrix for one in seen if one.matrix is not None]
        if matrices:
            confusion += _confused(point, data, np.stack(matrices))
        classes += _classes(point, data, np.stack([one.counts for one in seen]))
        found = [one.auc for one in seen if not np.isnan(one.auc)]
        if found:
            row = point._asdict() | {"positive": data.classes[1], "n": len(found)}
            areas.append(row | mean_and_half("auc", found))
    return {
        "confusion": pd.DataFrame(confusion, columns=CONFUSION),
        "classes": pd.DataFrame(classes, columns=CLASSES),
        "auc": pd.DataFrame(areas, columns=AUC),
    }


def _networks(results: Results) -> Iterator[tuple[Point, DataFile, list[Seen]]]:
    """Give every point with what its networks saw, the dense network first."""
    for one in described_records(results):
        dense = [_look(results, r, one.data, r.dense_per_image) for r in one.dense.values() if r.dense_per_image]
        if dense:
            yield one.dense_point, one.data, dense
        for point, seeds in one.points.items():
            yield point, one.data, [_look(results, r, one.data, r.per_image) for r in seeds.values() if r.per_image]


def _look(results: Results, record: Record, data: DataFile, pictures: PerPicture | DensePerPicture) -> Seen:
    """Compare predicted with true labels. Raises `UserError` where they cannot be of the same pictures."""
    true, count = data.true, len(data.classes)
    if pictures.pictures != data.pictures:
        raise _contradiction(results, record, f"{pictures.pictures} test pictures, but {data.pictures}")
    given = pictures.predicted.unpack(pictures.pictures)
    if given.max() >= count:
        raise _contradiction(results, record, f"a label beyond the {count} classes")
    predicted = given.astype(np.int64)
    if isinstance(pictures, PerPicture) and ((predicted == true) != pictures.right()).any():
        raise _contradiction(results, record, "pictures said to be right, but they are wrong by the labels")
    loss = pictures.loss.unpack(pictures.pictures).astype(np.float64) if pictures.loss and count == 2 else None
    auc = float("nan") if loss is None else roc_auc(second_class_scores(loss, true == 1), true == 1)
    matrix = confusion_matrix(true, predicted, count) if count <= MOST_CLASSES else None
    return Seen(class_counts(true, predicted, count), matrix, auc)


def _contradiction(results: Results, record: Record, what: str) -> UserError:
    where = f"data/{record.fingerprint}.json"
    return UserError(printable(f"{results.source}: corrupt record {record.key}: {what} in {where}"))


def _confused(point: Point, data: DataFile, matrices: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    means = matrices.mean(axis=0)
    for true, predicted in zip(*np.nonzero(means), strict=True):
        names = {"true": data.classes[true], "predicted": data.classes[predicted]}
        yield point._asdict() | names | {"n": len(matrices), "pictures": float(means[true, predicted])}


def _classes(point: Point, data: DataFile, counts: NDArray[np.int64]) -> Iterator[dict[str, Any]]:
    """Give the rates of every class. counts: (n, 3, classes)."""
    right, pictures, given = counts.transpose(1, 0, 2)
    found, sure = rates(right, pictures), rates(right, given)
    for number, name in enumerate(data.classes):
        row = {"class": name, "pictures": int(pictures[0, number]), "n": len(counts)}
        for rate, values in (("recall", found[:, number]), ("precision", sure[:, number])):
            known = values[~np.isnan(values)]
            row |= mean_and_half(rate, known) if len(known) else {rate: None, f"{rate}_half": None}
        yield point._asdict() | row
