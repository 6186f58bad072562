"""Names points in plain options, and finds the records that such options name."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from shlex import quote

from prunebench.errors import UserError, unknown
from prunebench.records.budget import parse_budget
from prunebench.records.record import Record
from prunebench.reports.points import make_point
from prunebench.reports.results import Results


@dataclass(frozen=True)
class Named:
    """What a user says of the points that are meant; an empty text means any.

    keep: `0.5`, or `macs=0.5` where a folder has budgets of several metrics.
    """

    dataset: str = ""
    model: str = ""
    criterion: str = ""
    keep: str = ""
    seed: str = ""
    ranking: str = ""

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    def __str__(self) -> str:
        given = ((one.name, getattr(self, one.name)) for one in fields(self))
        return " ".join(f"--{name} {quote(value)}" for name, value in given if value)


def name_point(record: Record, results: Results) -> Named:
    """Name one point in as few options as tell it from the others."""
    everything = [_as_named(one) for one in (*results.records, *results.failures)]
    ours = _as_named(record)
    several = {one.name for one in fields(Named) if len({getattr(other, one.name) for other in everything}) > 1}
    shown = {name: getattr(ours, name) for name in several | {"criterion", "keep", "seed"}}
    if len({one.keep.partition("=")[0] for one in everything}) == 1:
        shown["keep"] = ours.keep.partition("=")[2]
    return Named(**shown)


def select(results: Results, named: Named) -> list[Record]:
    """Find the finished records that the options name, in the order of the tables, then by seed.

    Raises `UserError` where there are none; the message says which option names nothing, and what there is.
    """
    found = list(results.records)
    for one in fields(Named):
        wanted = getattr(named, one.name)
        fitting = [record for record in found if not wanted or _fits(record, one.name, wanted)]
        if not fitting:
            known = dict.fromkeys(getattr(_as_named(record), one.name) for record in found)
            raise unknown(f"--{one.name}", wanted, known, where=results.source)
        found = fitting
    return sorted(found, key=lambda record: (make_point(record, results.tasks[record.key]).position, record.cell.seed))


def select_one(results: Results, named: Named) -> Record:
    """Find the one point that the options name; of several seeds the first.

    The first seed is taken because the best one would be chosen on test pictures. Raises `UserError` where the options
    name several points; the message lists options that tell them apart.
    """
    found = select(results, named)
    if len({replace(_as_named(record), seed="") for record in found}) > 1:
        few = "; ".join(str(name_point(record, results)) for record in found[:3])
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        raise UserError(f"{results.source}: {len(found)} points fit; name one, such as {few}{more}")
    if len({record.cell.seed for record in found}) < len(found):
        raise UserError(f"{results.source}: several protocols have this point; give the path of its record")
    return found[0]


def _as_named(record: Record) -> Named:
    cell = record.cell
    keep = f"{cell.metric}={cell.keep:g}"
    return Named(cell.dataset, cell.model, cell.criterion, keep, str(cell.seed), cell.ranking)


def _fits(record: Record, name: str, wanted: str) -> bool:
    if name != "keep":
        return bool(getattr(_as_named(record), name) == wanted)
    budget = parse_budget(wanted)
    metrics = (budget.metric,) if "=" in wanted else (record.cell.metric,)
    shown = {f"{fraction:g}" for fraction in budget.fractions}  # 1/3 is shown, and then given, as 0.333333
    return f"{record.cell.keep:g}" in shown and record.cell.metric in metrics


def point_lines(records: Sequence[Record], results: Results) -> list[str]:
    """Write one line for each record: its accuracy, and the options that name it."""
    pairs = [(record.accuracy, name_point(record, results)) for record in records]
    return [f"{100 * scores.finetuned:6.2f} %  {named}" for scores, named in pairs if scores]
