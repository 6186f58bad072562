"""The section on widths per layer."""

from collections import defaultdict

import pandas as pd

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.formatting import MISSING
from prunebench.reports.language.message import say
from prunebench.reports.ordering import METRIC_WORDS
from prunebench.reports.points import PANEL_COLUMNS
from prunebench.reports.rows import grouped_rows

TITLE = say("Widths per layer")


def widths_section(widths: pd.DataFrame) -> Section:
    """Tabulate mean widths per layer. Criteria with the same widths share a column. widths: as `widths_table`."""
    if not len(widths):
        return Section(TITLE, (), say("No point came out."))
    tables = []
    for (task, ranking, metric, keep), part in grouped_rows(widths, [*PANEL_COLUMNS, "keep"]).items():
        columns: dict[tuple[str, ...], list[str]] = defaultdict(list)
        dense = {row["layer"]: str(row["dense"]) for row in reversed(part)}
        layers = dict.fromkeys(row["layer"] for row in part)
        cells: dict[str, dict[str, str]] = defaultdict(dict)
        for row in part:
            cells[row["criterion"]][row["layer"]] = _width_cell(row["width"], row["at_floor"])
        for criterion, own in cells.items():
            columns[tuple(own.get(layer, MISSING) for layer in layers)].append(criterion)
        names = [say("all criteria")] if len(columns) == 1 else [", ".join(names) for names in columns.values()]
        stacked = zip(layers, [dense[layer] for layer in layers], *columns, strict=True)
        caption = say(
            "{task}, {ranking} ranking, keep {keep} {metric}",
            task=task,
            ranking=ranking,
            keep=format(keep, "g"),
            metric=METRIC_WORDS[metric],
        )
        tables.append(Table(caption, (say("layer"), say("dense"), *names), tuple(stacked), folded=True))
    text = say(
        "Output units of every layer (its weights, where single ones were pruned), mean over seeds; * the layer stands "
        "at its floor in at least one of them."
    )
    return Section(TITLE, (Text(text), *tables))


def _width_cell(width: float, at_floor: int) -> str:
    return f"{width:.1f}".removesuffix(".0") + ("*" if at_floor else "")
