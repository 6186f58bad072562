"""Mean widths per layer over seeds, beside the dense network's, as a tidy table."""

import pandas as pd

from prunebench.reports.points import POINT_COLUMNS
from prunebench.reports.results import Results

COLUMNS = [*POINT_COLUMNS, "layer", "dense", "width", "n", "at_floor"]


def widths_table(results: Results) -> pd.DataFrame:
    """One row per point and layer, layers in the order of the model.

    dense: output units before pruning (weights, where single weights were pruned). width: mean number that is left
    over the n seeds. at_floor: how many seeds left the layer at its floor.
    """
    rows = []
    for point, seeds in results.points.items():
        records = list(seeds.values())
        layers = {layer: dense for r in records for layer, (dense, _) in r.remaining.items()}
        for layer, dense in layers.items():  # a user's model may have had other layers when a seed was run
            widths = [r.remaining[layer][1] for r in records if layer in r.remaining]
            at_floor = sum(layer in r.floors for r in records)
            rows.append([*point, layer, dense, sum(widths) / len(widths), len(widths), at_floor])
    return pd.DataFrame(rows, columns=COLUMNS)
