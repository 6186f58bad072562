"""The section on criteria that end below random units, as far as their intervals show it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from prunebench.records.record import Record
from prunebench.reports.document import Section, Table, Text
from prunebench.reports.language.message import joined, say, say_many
from prunebench.reports.ordering import RANDOM, is_control
from prunebench.reports.points import POINT_COLUMNS, Point, RecordBySeed
from prunebench.reports.results import Results
from prunebench.reports.row_text import difference_cell, keep_of_metric

TITLE = say("Below random")


def below_random_section(results: Results, differences: pd.DataFrame) -> Section:
    """Tabulate every criterion and keep whose interval lies below random units, with the layers at their floor.

    differences: as `differences_table`.
    """
    rows = []
    for row in rows_below_random(differences):
        ours = Point(*(row[name] for name in POINT_COLUMNS))
        random = ours._replace(ranking=row["reference_ranking"], criterion=RANDOM)
        where = (ours.task, ours.ranking, keep_of_metric(row), ours.criterion)
        rows.append((*where, difference_cell(row), _effect_on_layers(results.points[ours], results.points[random])))
    if not rows:
        compared = len(differences) > 0 and bool((differences["reference"] == RANDOM).any())
        if not compared:
            return Section(TITLE, (), say("`random` was not run: not known."))
        return Section(TITLE, (Text(say("No criterion's interval lies below `random`.")),))
    where = (say("task"), say("ranking"), say("keep"), say("criterion"))
    header = (*where, say("difference to {random}", random=RANDOM), say("what it did to the layers"))
    caption = say(
        "Fine-tuned accuracy minus that of random units, in points over the shared seeds: 95 % t intervals that lie "
        "below zero, not corrected for many comparisons."
    )
    return Section(TITLE, (Table(caption, header, tuple(rows), text_columns=6),))


def rows_below_random(differences: pd.DataFrame) -> list[dict[Any, Any]]:
    """Give the rows of methods whose interval of the difference to `random` lies below zero; one seed has none."""
    if not len(differences) or "difference" not in differences:
        return []
    rows = differences[(differences["reference"] == RANDOM) & (differences["high"] < 0)]
    return [row for row in rows.to_dict("records") if not is_control(row["criterion"])]


def floored_layers(records: Sequence[Record]) -> str:
    """Name the layers at their floor, with their widths and how many seeds; else the layer with the least left."""
    counts = Counter(layer for record in records for layer in record.floors)
    return joined(_floored(layer, number, records) for layer, number in counts.items()) or _narrowest(records)


def _effect_on_layers(ours: RecordBySeed, random: RecordBySeed) -> str:
    if all(record.remaining == random[seed].remaining for seed, record in ours.items() if seed in random):
        return say("same widths as {random}: the choice of units", random=RANDOM)
    return floored_layers([*ours.values()])


def _narrowest(records: Sequence[Record]) -> str:
    left = [(pruned / dense, layer) for r in records for layer, (dense, pruned) in r.remaining.items()]
    if not left:
        return say("none")
    share, layer = min(left)
    return say("none at its floor; least left: {layer} ({share})", layer=layer, share=format(share, ".0%"))


def _floored(layer: str, number: int, records: Sequence[Record]) -> str:
    widths = [r.remaining[layer] for r in records if layer in r.floors and layer in r.remaining]
    change = f" {widths[0][0]} -> {min(w for _, w in widths)}" if widths else ""
    return say_many(
        "{layer} ({floored} of {number} seed)",
        "{layer} ({floored} of {number} seeds)",
        len(records),
        layer=layer + change,
        floored=number,
    )
