"""The table of models: weights, zeros and ratios, as papers on regularisation before pruning print it."""

from collections.abc import Callable

import pandas as pd

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.figures.marks import Row
from prunebench.reports.formatting import MISSING, as_multiple, is_missing, percent
from prunebench.reports.language.message import say
from prunebench.reports.ordering import DENSE
from prunebench.reports.row_text import keep_of_metric
from prunebench.reports.sections.layer_weights import layer_tables

TITLE = say("Model table")
COLUMNS: dict[str, Callable[[Row], str]] = {
    say("task"): lambda row: str(row["task"]),
    say("ranking"): lambda row: str(row["ranking"]),
    say("keep"): lambda row: "-" if row["criterion"] == DENSE else keep_of_metric(row),
    say("network"): lambda row: str(row["criterion"]),
    "n": lambda row: str(row["n"]),
    say("weights"): lambda row: f"{row['weights']:,.0f}",
    say("left"): lambda row: percent(row["kept"], 1),
    say("compression"): lambda row: as_multiple(row["compression"]),
    say("near zero"): lambda row: f"{row['near_zero']:,.0f}",
    say("share"): lambda row: percent(row["near_zero_share"], 2),
    say("compression without"): lambda row: _ratio(row["compression_nonzero"]),
}
MEANING = say(
    "Weights of convolutions and linear layers, without biases and BatchNorm; means over n seeds. Near zero: weights "
    "below 0.0001 in absolute value, and their share of the network. Compression: weights of the dense network over "
    "those that are left; in the last column those near zero count as removed."
)
OLDER = say("No record here counts weights: an earlier version wrote them. A run into a new folder counts.")
NO_LAYERS = say("Weights by layer are not stored in these records: an earlier version wrote them.")


def model_section(weights: pd.DataFrame, layers: pd.DataFrame) -> Section:
    """Tabulate weights and zeros of every network, then of the layers of the smallest ones.

    weights: as `weights_table`; layers: as `layer_weights_table`.
    """
    if not len(weights):
        return Section(TITLE, (), OLDER)
    columns = [name for name in COLUMNS if name != "ranking" or weights["ranking"].nunique() > 1]
    rows = tuple(tuple(COLUMNS[name](row) for name in columns) for row in weights.to_dict("records"))
    text_columns = columns.index("network") + 1
    table = Table(MEANING, tuple(columns), rows, text_columns=text_columns, tools=True)
    by_layer = layer_tables(layers) if len(layers) else (Text(NO_LAYERS),)
    return Section(TITLE, (table, *by_layer), name="model-table")


def _ratio(ratio: float | None) -> str:
    return MISSING if ratio is None or is_missing(ratio) else as_multiple(ratio)
