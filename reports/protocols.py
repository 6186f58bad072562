"""Names of tasks that keep protocols apart: numbers of two protocols are never pooled or paired."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prunebench.records.fidelity import Fidelity
from prunebench.records.protocol import LATER, Protocol
from prunebench.records.record import Cell, Record
from prunebench.reports.language.message import SPACE, Message, joined, say

PROTOCOL = "protocol"
VERSION = "version of the protocol's rules"
BLOCKS = "residual blocks"  # in the name of a task that lost them
DEFAULTS = {name: Protocol.model_fields[name].default for name in LATER}  # records omit these options at their defaults
MISSING = "not given"
VARIED = {*Cell.model_fields, "criteria", "datasets", "models", "seeds", "keeps"}  # options that vary in a comparison


def name_tasks(records: Iterable[Record | Fidelity], word: str = PROTOCOL) -> tuple[dict[str, str], tuple[str, ...]]:
    """Name the task of every record, with the protocol's number where a task was run under several.

    word: for a protocol, in names and notes. Gives the names by the record's key, and for each task with several
    protocols a line that says how they differ. Runs that remove residual blocks are tasks of their own.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    home: dict[str, tuple[str, str]] = {}
    for record in records:
        options = _shared_options(record)
        identity = json.dumps(options, sort_keys=True, default=str)
        task = task_of(record)
        found.setdefault(task, {})[identity] = options
        home[record.key] = (task, identity)
    found = {task: dict(sorted(some.items(), key=lambda one: _order(one[1]))) for task, some in found.items()}
    names = {
        (task, identity): task if len(protocols) == 1 else f"{task} ({word} {number})"
        for task, protocols in found.items()
        for number, identity in enumerate(protocols, 1)
    }
    notes = tuple(_difference_note(task, list(p.values()), word) for task, p in found.items() if len(p) > 1)
    return {key: names[where] for key, where in home.items()}, notes


def of_blocks(record: Record | Fidelity) -> bool:
    """Tell whether a run removed residual blocks in place of filters."""
    return record.protocol.get("units") == "blocks"


def repair_of(record: Record | Fidelity) -> str:
    """Name the repair that came after every cut, or `none`."""
    return str(record.protocol.get("repair", "none"))


def repair_suffix(found: Iterable[Record | Fidelity]) -> str:
    """Name the repairs of records as the end of a title; empty where there were none."""
    return "".join(f" | repair {how}" for how in sorted({repair_of(one) for one in found} - {"none"}))


def task_of(record: Record | Fidelity) -> str:
    """Name a record's task without its protocol. Runs that remove residual blocks are tasks of their own."""
    return f"{record.cell.task}, {BLOCKS}" if of_blocks(record) else record.cell.task


def fits_protocol(record: Record, task: str, wanted: str) -> bool:
    """Tell whether a record has a protocol: `repair=bias`, or its number in the name of the task."""
    if "=" not in wanted:
        return bool(task == f"{task_of(record)} ({PROTOCOL} {wanted})")
    options = _shared_options(record)
    known = "|".join(map(re.escape, {*Protocol.model_fields, *options}))
    pairs = (pair.partition("=") for pair in re.split(rf",(?=(?:{known})=)", wanted))  # values may hold commas
    return all(_alike(str(options.get(name, MISSING)), value) for name, _, value in pairs)


def _alike(one: str, other: str) -> bool:
    """Tell whether two texts are one value.

    >>> _alike("0.1", "0.10"), _alike("True", "true"), _alike("3,2,1", "3,2")
    (True, True, False)
    """
    try:
        return float(one) == float(other)
    except ValueError:
        return one.lower() == other.lower()


def options_apart(records: Iterable[Record]) -> dict[str, str]:
    """Give, by key, what tells a record's protocol from the others of its task, as `epochs=9,repair=bias`.

    Empty where a task has one protocol.
    """
    homes: dict[str, dict[str, dict[str, Any]]] = {}
    for record in records:
        homes.setdefault(task_of(record), {})[record.key] = _shared_options(record)
    told: dict[str, str] = {}
    for protocols in homes.values():
        names = _differing([*protocols.values()])
        told |= {key: ",".join(f"{name}={own.get(name, MISSING)}" for name in names) for key, own in protocols.items()}
    return told


def _differing(protocols: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the options that differ between protocols."""
    names = sorted({name for protocol in protocols for name in protocol})
    return [name for name in names if len({repr(protocol.get(name)) for protocol in protocols}) > 1]


def options_of(record: Record | Fidelity) -> dict[str, Any]:
    """Give the options of a record's protocol in their own order, without those that vary in a comparison."""
    given = DEFAULTS | record.protocol
    return {name: given[name] for name in (*Protocol.model_fields, *given) if name in given and name not in VARIED}


def _shared_options(record: Record | Fidelity) -> dict[str, Any]:
    options = {name: value for name, value in options_of(record).items() if value is not None}
    return options | {"dataset fingerprint": record.fingerprint, VERSION: record.protocol_version}


def _order(options: dict[str, Any]) -> list[tuple[str, int, float, str]]:
    """Give a key that sorts protocols by their options, whatever order files were read in: `none`, numbers, words."""
    return [(name, *value_order(value)) for name, value in sorted(options.items())]


def value_order(value: Any) -> tuple[int, float, str]:
    """Give a key that sorts the values of an option: `none` first, numbers by size, words by the alphabet.

    >>> sorted(["bias", 10, "none", 2], key=value_order)
    ['none', 2, 10, 'bias']
    """
    if value is None or value == "none":
        return 0, 0.0, ""
    return (1, float(value), "") if isinstance(value, int | float) else (2, 0.0, str(value))


def _difference_note(task: str, protocols: list[dict[str, Any]], word: str) -> Message:
    names = _differing(protocols)
    told = [(number, joined(_option(name, one) for name in names)) for number, one in enumerate(protocols, 1)]
    given = {"task": task, "count": len(protocols)}
    if word == PROTOCOL:
        values = (say("Protocol {number}: {options}.", number=number, options=options) for number, options in told)
        return say(
            "{task} was run under {count} protocols, which are kept apart. {values}",
            values=joined(values, SPACE),
            **given,
        )
    values = (
        say("Protocol of fidelity {number}: {options}.", number=number, options=options) for number, options in told
    )
    return say(
        "{task} was run under {count} protocols of fidelity, which are kept apart. {values}",
        values=joined(values, SPACE),
        **given,
    )


def _option(name: str, protocol: dict[str, Any]) -> str:
    return f"{name} = {protocol[name]}" if name in protocol else say("{option} = not given", option=name)
