"""Finds the records that plain options name, and names records in such options."""

from collections.abc import Sequence
from dataclasses import fields, replace

from prunebench.errors import UserError, unknown
from prunebench.records.budget import parse_budget
from prunebench.records.names import model_label
from prunebench.records.record import Record
from prunebench.reports.named import Named
from prunebench.reports.points import make_point
from prunebench.reports.protocols import PROTOCOL, fits_protocol, of_blocks
from prunebench.reports.results import Results


def name_point(record: Record, results: Results) -> Named:
    """Name one point in as few options as tell it from the others."""
    everything = [as_named(one, results) for one in (*results.records, *results.failures)]
    ours = as_named(record, results)
    several = {one.name for one in fields(Named) if len({getattr(other, one.name) for other in everything}) > 1}
    shown = {name: getattr(ours, name) for name in several | {"criterion", "keep", "seed"}}
    if len({one.keep.partition("=")[0] for one in everything}) == 1:
        shown["keep"] = ours.keep.partition("=")[2]
    return Named(**shown)


def select(results: Results, named: Named, failed: bool = False) -> list[Record]:
    """Find the finished records that the options name, in the order of the tables, then by seed.

    failed: whether to find records of points that failed, too.

    Raises `UserError` where there are none; the message says which option names nothing, and what there is.
    """
    found = [*results.records, *(results.failures if failed else ())]
    for one in fields(Named):
        wanted = _wanted(named, one.name)
        fitting = [record for record in found if not wanted or _fits(record, one.name, wanted, results)]
        if not fitting:
            if not failed:
                _check_failed(results, named)
            known = dict.fromkeys(text for r in found if (text := getattr(as_named(r, results), one.name)))
            if not known and "=" in wanted:
                raise UserError(f"--{one.name} {wanted}: no point that fits has it; all have one other {one.name}")
            if not known:
                raise UserError(
                    f"--{one.name} {wanted}: the points that fit have one {one.name}; leave --{one.name} out"
                )
            raise unknown(f"--{one.name}", wanted, known, where=results.source)
        found = fitting
    return sorted(found, key=lambda record: (make_point(record, results.tasks[record.key]).position, record.cell.seed))


def _wanted(named: Named, name: str) -> str:
    """Give what an option names, as records name it; "" for anything."""
    return model_label(named.model) if name == "model" else str(getattr(named, name))


def _check_failed(results: Results, named: Named) -> None:
    """Raise `UserError` where the options name a point that failed."""
    for record in results.failures:
        if all(_fits(record, one.name, text, results) for one in fields(Named) if (text := _wanted(named, one.name))):
            raise UserError(f"{results.source}: this point failed, and has no network: {record.reason}")


def select_one(results: Results, named: Named) -> Record:
    """Find the one point that the options name; of several seeds the first.

    The first seed is taken because the best one would be chosen on test pictures. Raises `UserError` where the options
    name several points; the message lists options that tell them apart.
    """
    found = select(results, named)
    points = {replace(as_named(record, results), seed=""): record for record in reversed(found)}
    if len(points) > 1:
        firsts = [*points.values()][::-1]  # of each point its first seed
        few = "; ".join(str(name_point(record, results)) for record in firsts[:3])
        more = f"; and {len(points) - 3} more" if len(points) > 3 else ""
        notes = "".join(f"; {note}" for note in _notes_of(found, results))
        raise UserError(f"{results.source}: {len(points)} points fit; name one, such as {few}{more}{notes}")
    return found[0]


def _notes_of(records: Sequence[Record], results: Results) -> list[str]:
    """Say how the protocols differ of tasks that the records have under several."""
    names: dict[str, set[str]] = {}
    for record in records:
        task = results.tasks[record.key]
        names.setdefault(task.rpartition(f" ({PROTOCOL} ")[0], set()).add(task)
    several = {task for task, own in names.items() if task and len(own) > 1}
    return [note for note in results.notes if any(note.startswith(f"{task} was run") for task in several)]


def as_named(record: Record, results: Results) -> Named:
    """Say everything of a record's point."""
    cell = record.cell
    keep = f"{cell.metric}={cell.keep:g}"
    units, protocol = _units(record), results.protocols[record.key]
    return Named(cell.dataset, cell.model, cell.criterion, keep, str(cell.seed), cell.ranking, units, protocol)


def _units(record: Record) -> str:
    """Say what was removed from a network."""
    return "weights" if record.cell.metric == "weights" else "blocks" if of_blocks(record) else "filters"


def _fits(record: Record, name: str, wanted: str, results: Results) -> bool:
    if name == "protocol":
        return fits_protocol(record, results.tasks[record.key], wanted)
    if name != "keep":
        return bool(getattr(as_named(record, results), name) == wanted)
    budget = parse_budget(wanted)
    metrics = (budget.metric,) if "=" in wanted else (record.cell.metric,)
    shown = {f"{fraction:g}" for fraction in budget.fractions}  # 1/3 is shown, and then given, as 0.333333
    return f"{record.cell.keep:g}" in shown and record.cell.metric in metrics


def point_lines(records: Sequence[Record], results: Results) -> list[str]:
    """Write one line for each record: its accuracy or that it failed, the options that name it, and why it failed."""
    return [
        f"{100 * record.accuracy.finetuned:6.2f} %  {name_point(record, results)}"
        if record.accuracy
        else f"  failed  {name_point(record, results)}: {record.reason or 'no reason given'}"
        for record in records
    ]
