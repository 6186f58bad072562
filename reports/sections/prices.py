"""The section on the costs of scores and repairs."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunebench.reports.document import Section, Table, Text
from prunebench.reports.formatting import is_missing
from prunebench.reports.language.message import say
from prunebench.reports.tables.prices import NO_DATA, PEAKS

TITLE = say("Cost of scores and repairs")
MEASURED = (say("plain passes"), say("time, ms"), say("plain pass, ms"), say("peak, MiB"), say("plain peak, MiB"))
HEADER = (say("criterion"), say("evidence"), *MEASURED)
REPAIR_HEADER = (say("repair"), *MEASURED)
PLAIN_PASS = say("plain pass")
GROWTH_HEADER = (say("what"), say("name"), say("4 x pictures"), PLAIN_PASS, say("4 x units"), PLAIN_PASS)
SCORES, REPAIRS = say("scores"), say("repairs")
WHAT = {"score": say("score"), "repair": say("repair")}
NOT_MEASURED = say("It was not measured: `pytest benchmarks/` measures it, in `test_scoring.py` and `test_repair.py`.")
MEANING = say(
    "What it takes to score all units of an untrained network once, evidence included, beside one plain "
    "forward-backward pass over the same pictures (of random noise). Plain passes: the first time over the second, so "
    "at 1.00 scores cost as much as that pass. Milliseconds of CPU time on one thread, both in turn in one process, "
    "the smallest of three of each. Peak: the most that either adds to the memory that the process holds; -: the "
    "system does not tell. One measurement on one machine, without an interval."
)
OF_REPAIRS = say("A repair is measured in the same way, after half of the units of every group were cut.")
STEADY = 1.1  # largest over smallest time of the same plain pass
GROWTH = say(
    "How many times as long it takes on a narrow VGG11-BN with four times as many pictures, and with four times as "
    "many units in every layer. Beside each stands a plain forward-backward pass."
)


def prices_section(scores: pd.DataFrame, repairs: pd.DataFrame, growth: pd.DataFrame) -> Section:
    """Tabulate the costs, one table for each model and number of pictures. Arguments: as of `tables.prices`."""
    if not (len(scores) or len(repairs) or len(growth)):
        return Section(TITLE, (), NOT_MEASURED)
    blocks: list[Text | Table] = [Text(MEANING)] * bool(len(scores) or len(repairs))
    blocks += _by_model(scores, HEADER, SCORES)
    if len(repairs):
        blocks += [Text(OF_REPAIRS), *_by_model(repairs, REPAIR_HEADER, REPAIRS)]
    if len(growth):
        rows = [tuple(_grown(row)) for row in growth.to_dict("records")]
        blocks.append(Table(GROWTH, GROWTH_HEADER, tuple(rows), text_columns=2))
    return Section(TITLE, tuple(blocks))


def _by_model(prices: pd.DataFrame, header: tuple[str, ...], what: str) -> Iterator[Table | Text]:
    for (model, pictures), part in prices.groupby(["model", "pictures"], sort=False, dropna=False):
        caption = say(
            "{model}, {pictures} pictures: {what}, cheapest first.",
            model=model,
            pictures=format(pictures, "g"),
            what=what,
        )
        rows = tuple(tuple(_row(row)) for row in part.to_dict("records"))
        yield Table(caption, header, rows, text_columns=len(header) - len(MEASURED))
        spread = part["plain_seconds"].max() / part["plain_seconds"].min()
        if spread > STEADY:
            yield Text(
                say(
                    "The plain pass beside these rows took up to {spread} times its shortest time: from other work, or "
                    "on another machine. This table does not tell apart ratios that differ by less.",
                    spread=format(spread, ".2f"),
                )
            )


def _row(row: dict[Any, Any]) -> Iterator[str]:
    if "repair" in row:
        yield row["repair"]
    else:
        yield from (row["criterion"], say("no data") if row["evidence"] == NO_DATA else row["evidence"])
    yield f"{row['ratio']:.2f}"
    yield from (_milliseconds(row[name]) for name in ("seconds", "plain_seconds"))
    yield from (_mebibytes(row[name]) for name in PEAKS)


def _grown(row: dict[Any, Any]) -> Iterator[str]:
    yield from (WHAT[row["what"]], row["name"])
    yield from (f"{row[name]:.1f}" for name in ("pictures", "plain_pictures", "units", "plain_units"))


def _milliseconds(seconds: float) -> str:
    value = 1e3 * seconds
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _mebibytes(number: float | None) -> str:
    return "-" if number is None or is_missing(number) else f"{number / 2**20:.1f}"
