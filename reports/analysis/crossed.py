"""Crossed designs: the same criteria and seeds under every combination of other options."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunebench.records.protocol import Protocol
from prunebench.records.record import Record
from prunebench.reports.ordering import is_control, table_order
from prunebench.reports.points import finetuned_accuracy
from prunebench.reports.protocols import DEFAULTS, VARIED, value_order
from prunebench.reports.results import Results

CRITERION, RANKING = "criterion", "ranking"
Level = str | int | float | bool | None
Place = tuple[Level, ...]  # a level of each factor but the criterion


@dataclass(frozen=True)
class Design:
    """The final accuracy in every combination of criteria, options and seeds.

    task: dataset x model. factors: names, the criterion first; options that always change together are one factor,
    named `a, b`. levels: of each factor, as text. seeds: those that every combination has. values: (levels of each
    factor, seeds), fractions. random: the same for `random` without the axis of criteria, where it was run throughout.
    """

    task: str
    metric: str
    keep: float
    factors: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    seeds: tuple[int, ...]
    values: NDArray[np.float64]
    random: NDArray[np.float64] | None


def crossed_designs(results: Results) -> Iterator[Design]:
    """Give every design of two criteria or more, an option of two values or more, and two seeds or more.

    Records of other data or of another version of the protocol are never in one design. Controls are no levels.
    """
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in results.records:
        cell = record.cell
        where = (cell.task, cell.metric, -cell.keep, record.fingerprint, record.protocol_version)
        groups.setdefault(where, []).append(record)
    for where in sorted(groups):
        task, metric, keep = where[:3]
        if found := _design(task, metric, -keep, groups[where]):
            yield found


def _design(task: str, metric: str, keep: float, records: Sequence[Record]) -> Design | None:
    options = [_options(record) for record in records]
    if all(one == options[0] for one in options):
        return None
    factors = _factors(options)
    levels = [_ordered(names, {_place(one, names) for one in options}) for names in factors]
    places = [tuple(_place(one, names) for names in factors) for one in options]
    if not factors:
        return None
    found: dict[tuple[str, Any, int], float] = {}
    for record, place in zip(records, places, strict=True):
        found[record.cell.criterion, place, record.cell.seed] = finetuned_accuracy(record)
    complete = _complete_seeds(found, list(product(*levels)))
    criteria = sorted((name for name in complete if not is_control(name)), key=table_order)
    seeds = sorted(set.intersection(*(complete[name] for name in criteria))) if criteria else []
    if len(criteria) < 2 or len(seeds) < 2:
        return None

    def values(names: Iterable[str]) -> NDArray[np.float64]:
        cells = [found[name, place, seed] for name in names for place in product(*levels) for seed in seeds]
        return np.array(cells).reshape(-1, *(len(one) for one in levels), len(seeds))

    return Design(
        task,
        metric,
        keep,
        (CRITERION, *(", ".join(names) for names in factors)),
        (tuple(criteria), *(tuple(", ".join(map(_text, level)) for level in one) for one in levels)),
        tuple(seeds),
        values(criteria),
        values(["random"])[0] if set(seeds) <= complete.get("random", set()) else None,
    )


def _options(record: Record) -> dict[str, Level]:
    """Give what a protocol asks for, defaults included, and the ranking of the cell."""
    given = {name: value for name, value in record.protocol.items() if name not in VARIED}
    return {**DEFAULTS, **given, RANKING: record.cell.ranking}


def _factors(options: Sequence[Mapping[str, Level]]) -> list[tuple[str, ...]]:
    """Give the options that vary; those that always change together are one factor."""
    columns: dict[str, list[str]] = {}
    for name in sorted({name for one in options for name in one}):
        values = [json.dumps(one.get(name)) for one in options]
        if len(set(values)) > 1:
            columns[name] = values
    found: dict[tuple[int, ...], list[str]] = {}
    for name, values in columns.items():
        first = {value: number for number, value in reversed([*enumerate(values)])}
        found.setdefault(tuple(first[value] for value in values), []).append(name)
    return [tuple(names) for names in found.values()]


def _place(options: Mapping[str, Level], names: Iterable[str]) -> Place:
    return tuple(options.get(name) for name in names)


def _ordered(names: Sequence[str], levels: Iterable[Place]) -> list[Place]:
    """Sort the levels of a factor: of words, the default is first, as changes are told against the first level."""

    def key(level: Place) -> list[Any]:
        pairs = zip(names, level, strict=True)
        return [(isinstance(value, str) and value != _default(name), value_order(value)) for name, value in pairs]

    return sorted(levels, key=key)


def _default(name: str) -> Any:
    field = Protocol.model_fields.get(name)
    return field.default if field else None


def _complete_seeds(found: Mapping[tuple[str, Any, int], float], places: Sequence[Any]) -> dict[str, set[int]]:
    """Give for each criterion the seeds that it has in every place; without criteria that have none."""
    seen: dict[str, dict[int, int]] = {}
    for name, _, seed in found:
        seen.setdefault(name, {}).setdefault(seed, 0)
        seen[name][seed] += 1
    whole = {name: {seed for seed, count in seeds.items() if count == len(places)} for name, seeds in seen.items()}
    return {name: seeds for name, seeds in whole.items() if seeds}


def _text(value: Level) -> str:
    return "default" if value is None else format(value, "g") if isinstance(value, float) else str(value)
