"""The tables of weights by layer, as papers on regularisation before pruning print them: dense beside pruned."""

from collections.abc import Iterator

import pandas as pd

from prunebench.reports.document import Table
from prunebench.reports.formatting import MISSING, as_multiple, is_missing, percent
from prunebench.reports.language.message import say
from prunebench.reports.ordering import METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.rows import Row, grouped_rows


def layer_tables(layers: pd.DataFrame) -> Iterator[Table]:
    """Give one table for each task, ranking and metric: the layers of its smallest keep. layers: as the table."""
    for (task, ranking, metric), rows in grouped_rows(layers, PANEL_COLUMNS).items():
        keep = min(row["keep"] for row in rows)
        caption = say(
            "Weights by layer: {task}, {ranking} ranking, keep {keep} {metric}. Dense: weights, and the share near "
            "zero. Each criterion: weights left, the share of them near zero, and dense weights over those not near "
            "zero. Other keeps are in `layer_weights.csv`.",
            task=task,
            ranking=ranking,
            keep=format(keep, "g"),
            metric=METRIC_WORDS[metric],
        )
        yield _table([row for row in rows if row["keep"] == keep], caption, str(task))


def _table(rows: list[Row], caption: str, task: str) -> Table:
    criteria = list(dict.fromkeys(row["criterion"] for row in rows))
    found = {(row["layer"], row["criterion"]): row for row in rows}
    dense = {row["layer"]: row for row in reversed(rows)}
    cells = tuple(
        (layer, _dense(dense[layer]), *(_cell(found.get((layer, name))) for name in criteria))
        for layer in dict.fromkeys(row["layer"] for row in rows)
    )
    return Table(caption, (say("layer"), say("dense"), *criteria), cells, folded=True, task=task)


def _dense(row: Row) -> str:
    return f"{row['dense_weights']:,.0f} · {percent(row['dense_near_zero'] / row['dense_weights'], 1)}"


def _cell(row: Row | None) -> str:
    if row is None:
        return MISSING
    ratio = MISSING if is_missing(row["compression_nonzero"]) else as_multiple(row["compression_nonzero"])
    return f"{row['weights']:,.0f} · {percent(row['near_zero_share'], 1)} · {ratio}"
