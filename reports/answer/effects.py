"""Sentences and a table on what each choice changes, where a store holds a crossed design."""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import pandas as pd

from prunebench.reports.analysis.effects import ALL
from prunebench.reports.document import Table
from prunebench.reports.formatting import MISSING, signed_interval
from prunebench.reports.language.message import SEMICOLON, Message, joined, say
from prunebench.reports.row_text import keep_of_metric, row_interval, source_name

CHANGE = ["task", "metric", "keep", "choice", "level"]
MOST = 3  # places that one sentence names
OUTSIDE = say(
    "A change is paired: same criterion, same seeds, with a 95 % t interval over seeds. These comparisons are outside "
    "the family of tests that verdicts rest on."
)


def what_changes(effects: pd.DataFrame) -> tuple[str, ...]:
    """Say for each choice how many points it changes, on average over criteria; many places take several sentences."""
    means = effects[effects["criterion"] == ALL]
    changes = (part.to_dict("records") for _, part in means.groupby(CHANGE, sort=False))
    return tuple(_sentence(rows) for every in changes for rows in _few(every))


def effects_rows(effects: pd.DataFrame) -> Table:
    """Tabulate the changes of every criterion."""
    header = (
        *(say("task"), say("keep"), say("choice"), say("where"), say("criterion")),
        *(say("seeds"), say("change, points")),
    )
    rows = tuple(
        (
            *(row["task"], keep_of_metric(row), _choice(row), named_choices(row["where"]) or MISSING),
            *(say("mean of all") if row["criterion"] == ALL else row["criterion"], str(row["n"])),
            signed_interval(row_interval(row)),
        )
        for row in effects.to_dict("records")
    )
    return Table(say("How much each choice changes the accuracy, by criterion."), header, rows, 5, folded=True)


def named_choices(choices: str) -> str:
    """Name the choices of a combination, such as `repair = none; finetune_epochs = 0`."""
    pairs = [choice.partition(" = ") for choice in choices.split("; ") if choice]
    return joined((joined((source_name(name), level), " = ") for name, _, level in pairs), SEMICOLON)


def _few(rows: Sequence[dict[Any, Any]]) -> Iterator[Sequence[dict[Any, Any]]]:
    """Cut a list into parts of about one size, none longer than `MOST`.

    >>> [len(part) for part in _few([{}] * 7)]
    [3, 3, 1]
    """
    size = ceil(len(rows) / ceil(len(rows) / MOST))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _sentence(rows: Sequence[dict[Any, Any]]) -> Message:
    return say(
        "{task}, keep {keep}: {choice} changes the accuracy by {changes}. In points, mean of {criteria} criteria, "
        "paired by seed ({seeds} seeds).",
        task=rows[0]["task"],
        keep=keep_of_metric(rows[0]),
        choice=_choice(rows[0]),
        changes=joined(map(_change, rows), SEMICOLON),
        seeds=rows[0]["n"],
        criteria=rows[0]["criteria"],
    )


def _change(row: dict[Any, Any]) -> str:
    change, choices = signed_interval(row_interval(row)), named_choices(row["where"])
    return say("{change} where {choices}", change=change, choices=choices) if choices else change


def _choice(row: dict[Any, Any]) -> Message:
    return say(
        "{choice} {level} instead of {other}",
        choice=source_name(row["choice"]),
        level=row["level"],
        other=row["instead_of"],
    )
