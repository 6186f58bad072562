"""Weights of the networks, and those that are nearly zero, as a tidy table."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from prunebench.records.record import WeightCount
from prunebench.reports.ordering import DENSE
from prunebench.reports.points import POINT_COLUMNS, Point
from prunebench.reports.results import Results

COLUMNS = [*POINT_COLUMNS, "n", "weights", "kept", "compression", "near_zero", "near_zero_share", "compression_nonzero"]


def weights_table(results: Results) -> pd.DataFrame:
    """One row per point whose records count weights; before the first of a panel the dense network, at keep 1.

    weights: of convolutions and linear layers, without biases. near_zero: those below 1e-4 in absolute value. Both are
    means over the n seeds, and shares and ratios are of the means. kept, compression: weights over those of the dense
    network, and the reverse. near_zero_share: of the network's own weights. compression_nonzero: weights of the dense
    network over the weights of the network that are not nearly zero, missing where there are none.
    """
    rows = []
    for (task, ranking, metric), points in groupby(results.points.items(), key=lambda item: item[0][:3]):
        counted = {
            point: {seed: one.weight_counts for seed, one in seeds.items() if one.weight_counts}
            for point, seeds in points
        }
        dense = {seed: pair[0] for pairs in counted.values() for seed, pair in pairs.items()}
        if dense:
            rows.append(_row(Point(task, ranking, metric, 1.0, DENSE), [*dense.values()], [*dense.values()]))
        for point, pairs in counted.items():
            if pairs:
                rows.append(_row(point, [pair[0] for pair in pairs.values()], [pair[1] for pair in pairs.values()]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(point: Point, dense: Sequence[WeightCount], own: Sequence[WeightCount]) -> dict[str, Any]:
    n = len(own)
    before, weights, small = (sum(c) / n for c in ([d.weights for d in dense], *zip(*map(_pair, own), strict=True)))
    shares = {"kept": weights / before, "compression": before / weights, "near_zero_share": small / weights}
    nonzero = before / (weights - small) if weights > small else None
    return (
        point._asdict() | {"n": n, "weights": weights, "near_zero": small} | shares | {"compression_nonzero": nonzero}
    )


def _pair(one: WeightCount) -> tuple[int, int]:
    return one.weights, one.near_zero
