"""What two runs have in common: whether their points can be matched, and which surroundings differ."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from prunebench.errors import UserError
from prunebench.records.record import Cell, Record
from prunebench.reports.analysis.pairing import shared_seeds
from prunebench.reports.protocols import name_tasks, options_of, task_of
from prunebench.reports.results import Results

CELL_PARTS: dict[str, Callable[[Cell], str | int]] = {
    "criteria": lambda cell: cell.criterion,
    "rankings": lambda cell: cell.ranking,
    "keeps": lambda cell: f"{cell.metric}={cell.keep:g}",
    "seeds": lambda cell: cell.seed,
}


def named_alike(before: Results, after: Results) -> tuple[Results, Results]:
    """Give both results the same names of tasks.

    Where one of them has a task under several protocols, protocols are matched by their options, and numbered among
    those of both. Where each has one protocol of a task, these are compared, whatever their options.
    """
    runs = before, after
    found = [(record, results) for results in runs for record in (*results.records, *results.failures)]
    several = {task_of(record) for record, results in found if results.tasks[record.key] != task_of(record)}
    names, notes = name_tasks(record for record, _ in found if task_of(record) in several)
    one, other = (replace(results, tasks={**results.tasks, **names}, notes=notes) for results in runs)
    return one, other


def check_comparable(before: Results, after: Results) -> None:
    """Raise `UserError` where no points can be matched. The results have names of tasks as by `named_alike`."""
    for results in (before, after):
        if not results.records:
            raise UserError(f"{results.source} has no finished point to compare")
    versions = before.protocol_versions, after.protocol_versions
    if versions[0] != versions[1]:
        words = (
            f"{results.source} has version {results.protocol_versions[0]} of the protocol's rules"
            for results in (before, after)
        )
        raise UserError(f"{', '.join(words)}; results of different versions are not compared")
    old, new = before.points, after.points
    if not any(point in new and shared_seeds(old[point], new[point]) for point in old):
        what = "; ".join((_what_differs(before, after), *before.notes))
        raise UserError(f"{before.source} and {after.source} have no cell in common: {what}")


def changed_surroundings(before: Results, after: Results) -> Iterator[tuple[str, str, str]]:
    """Give what differs around the tasks that both have: packages, machines, options, data: (name, before, after)."""
    shared = _tasks(before) & _tasks(after)
    old, new = (_surroundings(r for r in run.records if run.tasks[r.key] in shared) for run in (before, after))
    for name in dict.fromkeys((*old, *new)):
        one, other = (", ".join(sorted(facts.get(name, {"not recorded"}))) for facts in (old, new))
        if one != other:
            yield name, one, other


def _what_differs(before: Results, after: Results) -> str:
    """Say which parts of the cells have no value in common; else that each has one, but never in one cell."""
    old, new = _parts(before), _parts(after)
    apart = [name for name in old if not set(old[name]) & set(new[name])]
    if apart:
        told = (f"{name} {_listed(old[name])} before, {_listed(new[name])} after" for name in apart)
        return f"{'; '.join(told)}; run the same cells in both"
    return f"each of {', '.join(old)} is shared in part, but no whole cell; run the same cells in both"


def _parts(results: Results) -> dict[str, list[str | int]]:
    """Give the values of each part of the cells, without repetitions, in the order of the records."""
    found: dict[str, list[str | int]] = {"tasks": [results.tasks[record.key] for record in results.records]}
    found |= {name: [value(record.cell) for record in results.records] for name, value in CELL_PARTS.items()}
    return {name: list(dict.fromkeys(values)) for name, values in found.items()}


def _listed(values: Iterable[str | int], most: int = 4) -> str:
    """List the first values.

    >>> _listed([0, 1, 2]), _listed("abcdef")
    ('0, 1, 2', 'a, b, c, d and 2 more')
    """
    texts = [str(value) for value in values]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _tasks(results: Results) -> set[str]:
    return {results.tasks[record.key] for record in results.records}


def _surroundings(records: Iterable[Record]) -> dict[str, set[str]]:
    """Collect the surroundings that the records state: sets of values by name."""
    found: dict[str, set[str]] = {}
    for record in records:
        facts = {f"option {name}": repr(value) for name, value in options_of(record).items()}
        facts |= {f"data of {record.cell.dataset}": record.fingerprint[:12]}
        if record.environment is not None:
            e = record.environment
            facts |= {f"package {name}": version for name, version in e.versions.items()}
            facts |= {"device": e.device, "processor": e.cpu, "threads": str(e.threads), "commit": e.commit or "none"}
            facts |= {"CPU kernels": "; ".join(sorted(set(e.kernels.values())))}
        for name, value in facts.items():
            found.setdefault(name, set()).add(value)
    return found
