"""The section on the costs of scores."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.formatting import is_missing
from prunebench.reports.language.message import say
from prunebench.reports.tables.scoring_cost import NO_DATA, PEAKS

TITLE = say("Cost of scores")
HEADER = (
    *(say("criterion"), say("evidence"), say("plain passes"), say("score, ms"), say("plain pass, ms")),
    *(say("peak, MiB"), say("plain peak, MiB")),
)
NOT_MEASURED = say(
    "It was not measured: `pytest benchmarks/test_scoring.py` measures it, and is part of `pytest benchmarks/`."
)
MEANING = say(
    "What it takes to score all units of an untrained network once, evidence included, beside one plain "
    "forward-backward pass over the same pictures (of random noise). Plain passes: the first time over the second, so "
    "at 1.00 scores cost as much as that pass. Milliseconds of CPU time on one thread, both in turn in one process, "
    "the smallest of three of each. Peak: the most that either adds to the memory that the process holds; -: the "
    "system does not tell. One measurement on one machine, without an interval."
)


def prices_section(prices: pd.DataFrame) -> Section:
    """Tabulate the costs, one table for each model and number of pictures. prices: as `prices_table`."""
    if not len(prices):
        return Section(TITLE, (), NOT_MEASURED)
    tables = []
    for (model, pictures), part in prices.groupby(["model", "pictures"], sort=False, dropna=False):
        caption = say("{model}, {pictures} pictures; cheapest first.", model=model, pictures=format(pictures, "g"))
        rows = tuple(tuple(_row(row)) for row in part.to_dict("records"))
        tables.append(Table(caption, HEADER, rows, text_columns=2))
    return Section(TITLE, (Text(MEANING), *tables))


def _row(row: dict[Any, Any]) -> Iterator[str]:
    evidence = say("no data") if row["evidence"] == NO_DATA else row["evidence"]
    yield from (row["criterion"], evidence, f"{row['ratio']:.2f}")
    yield from (_milliseconds(row[name]) for name in ("seconds", "plain_seconds"))
    yield from (_mebibytes(row[name]) for name in PEAKS)


def _milliseconds(seconds: float) -> str:
    value = 1e3 * seconds
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _mebibytes(number: float | None) -> str:
    return "-" if number is None or is_missing(number) else f"{number / 2**20:.1f}"
