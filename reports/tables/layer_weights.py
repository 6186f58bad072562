"""Weights by layer, and those that are nearly zero, dense beside pruned, as a tidy table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from prunebench.records.record import WeightCount
from prunebench.reports.points import POINT_COLUMNS
from prunebench.reports.results import Results

Pair = tuple[WeightCount, WeightCount]  # dense, pruned
NUMBERS = ["dense_weights", "dense_near_zero", "weights", "near_zero", "near_zero_share", "compression_nonzero"]
COLUMNS = [*POINT_COLUMNS, "layer", "n", *NUMBERS]


def layer_weights_table(results: Results) -> pd.DataFrame:
    """One row per point and layer, layers in the order of the model, where the records count weights by layer.

    dense_weights, weights: of the dense and of the pruned network, without biases. dense_near_zero, near_zero: those
    below 1e-4 in absolute value. All four are means over the n seeds that have the layer. near_zero_share: of the
    layer's own weights. compression_nonzero: dense weights over the weights that are not nearly zero, missing where
    there are none.
    """
    rows = []
    for point, seeds in results.points.items():
        pairs = [one.weight_counts for one in seeds.values() if one.weight_counts and one.weight_counts[0].layers]
        for layer in dict.fromkeys(name for dense, _ in pairs for name in dense.layers):
            if numbers := _of_layer(layer, pairs):
                rows.append(point._asdict() | {"layer": layer} | numbers)
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_layer(layer: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Average one layer over seeds: a user's model may have had other layers when a seed was run."""
    both = [
        (*dense.layers[layer], *own.layers[layer])
        for dense, own in pairs
        if layer in dense.layers and layer in own.layers
    ]
    if not both:
        return {}
    dense, dense_small, weights, small = (sum(numbers) / len(both) for numbers in zip(*both, strict=True))
    named = dict(zip(NUMBERS, (dense, dense_small, weights, small, small / weights), strict=False))
    return {"n": len(both)} | named | {"compression_nonzero": dense / (weights - small) if weights > small else None}
