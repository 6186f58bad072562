"""The labels that networks predicted for the stored pictures, as a tidy table."""

from typing import Any

import pandas as pd

from prunebench.records.packed import DensePerPicture, PerPicture
from prunebench.reports.points import POINT_COLUMNS, Point
from prunebench.reports.results import Results
from prunebench.reports.tables.described import described_records

Labelled = tuple[Point, PerPicture | DensePerPicture | None]
COLUMNS = [*POINT_COLUMNS, "seed", "fingerprint", "picture", "true", "predicted", "right"]


def samples_table(results: Results) -> pd.DataFrame:
    """One row per point and stored picture, for the smallest seed of each panel; the dense network is at keep 1.

    picture: its place in the test split, from 0. true, predicted: names of classes. Empty where no run stored pictures.
    Records are those that `class_tables` has compared with the true labels.
    """
    rows: list[dict[str, Any]] = []
    for one in described_records(results):
        seed = min(seed for seeds in one.points.values() for seed in seeds)
        networks: list[Labelled] = [
            (point, seeds[seed].per_image) for point, seeds in one.points.items() if seed in seeds
        ]
        if seed in one.dense:
            networks.insert(0, (one.dense_point, one.dense[seed].dense_per_image))
        for point, pictures in networks:
            assert pictures is not None  # `described_records` selects records with results per picture
            predicted = pictures.predicted.unpack(pictures.pictures)
            for thumbnail in one.data.thumbnails:
                place = thumbnail.picture
                true, given = (one.data.classes[int(labels[place])] for labels in (one.data.true, predicted))
                row = {"seed": seed, "fingerprint": one.data.fingerprint, "picture": place}
                rows.append(point._asdict() | row | {"true": true, "predicted": given, "right": true == given})
    return pd.DataFrame(rows, columns=COLUMNS)
