"""The section on what sparse training did: to the term, to the choice of units, to pushed units and gates."""

from collections import defaultdict
from collections.abc import Iterable
from statistics import fmean

from prunebench.records.record import Record
from prunebench.records.sparse import PushedUnits
from prunebench.records.tuning import Choice
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import MISSING, duration, percent
from prunebench.reports.language.message import SEMICOLON, Message, joined, say, say_many
from prunebench.reports.points import Point
from prunebench.reports.results import Results
from prunebench.reports.row_text import keep_of_metric

TITLE = say("Sparse training")
HEADER = (
    *(say("task"), say("criterion"), say("ranking"), say("keep"), say("seeds"), say("term fell by")),
    *(say("acts on units"), say("overlap"), say("overlap by chance"), say("unchanged in")),
)
CAPTION = say("What each regulariser did, means over seeds.")
MEANING = say(
    "Term fell by: how far the regulariser's term fell in sparse training. Acts on units: the share of the ranked "
    "units that the term pulls at. Overlap: the share of the removed units that the same score removes after the same "
    "training without the regulariser. Both networks are cut once to this keep. Overlap by chance: that of random "
    "units of each layer. Unchanged in: seeds in which the choice of units hardly changed; where it cannot "
    "be compared, the term fell by less than 5 %."
)

PUSHED = say("Units that sparse training pushed to zero, and those cut (means over seeds):")


def sparse_section(results: Results) -> Section:
    """Show what every regulariser did at every keep, and the tuned strengths."""
    cells = {point: [one for one in found.values() if one.sparse] for point, found in results.points.items()}
    cells = {point: records for point, records in cells.items() if records}
    if not cells:
        return Section(TITLE, (), say("No network here was trained with a regulariser."))
    more = (*_pushed_units(results), *_open_gates(results), *_tuned_strengths(results))
    table = Table(CAPTION, HEADER, tuple(_row(point, records) for point, records in cells.items()), text_columns=4)
    return Section(TITLE, (Text(MEANING), table, *more))


def _row(point: Point, records: list[Record]) -> tuple[str, ...]:
    terms = [record.sparse for record in records if record.sparse]
    changes = [record.change for record in records if record.change]
    return (
        *(point.task, point.criterion, point.ranking, keep_of_metric(point._asdict())),
        f"{len(records)}",
        _mean_percent(1 - term.after / term.before for term in terms if term.before),
        _mean_percent(term.acted_on for term in terms),
        _mean_percent(change.overlap for change in changes),
        _mean_percent(change.by_chance for change in changes),
        f"{sum(record.ineffective for record in records)}",
    )


def _mean_percent(values: Iterable[float]) -> str:
    known = list(values)
    return percent(fmean(known), 0) if known else MISSING


def _pushed_units(results: Results) -> tuple[Text | Items, ...]:
    """Say of each criterion how many units it pushed, and how many of the units that were cut."""
    found: dict[tuple[str, str], dict[str, list[PushedUnits]]] = defaultdict(lambda: defaultdict(list))
    for record in results.records:
        if record.pushed is not None:
            cell = record.cell
            keep = f"{cell.metric}={cell.keep:g}" + f" ({cell.ranking})" * (cell.ranking != "local")
            found[cell.criterion, results.tasks[record.key]][keep].append(record.pushed)
    lines = tuple(_pushed_text(*who, keeps) for who, keeps in found.items())
    return (Text(PUSHED), Items(lines)) * bool(lines)


def _pushed_text(criterion: str, task: str, keeps: dict[str, list[PushedUnits]]) -> Message:
    every = [facts for several in keeps.values() for facts in several]
    pushed, units = (format(fmean(getattr(facts, name) for facts in every), ".0f") for name in ("pushed", "units"))
    cuts = joined((_cut_text(keep, several) for keep, several in keeps.items()), SEMICOLON)
    return say(
        "{criterion} on {task}: {pushed} of {units} pushed; {cuts}",
        criterion=criterion,
        task=task,
        pushed=pushed,
        units=units,
        cuts=cuts,
    )


def _cut_text(keep: str, several: list[PushedUnits]) -> Message:
    cut, both = (format(fmean(getattr(facts, name) for facts in several), ".0f") for name in ("cut", "both"))
    return say("at {keep} {cut} cut, {both} of them pushed", keep=keep, cut=cut, both=both)


def _open_gates(results: Results) -> tuple[Table, ...]:
    """Tabulate how many units of each group have a gate that is open with a probability in each tenth."""
    once = {
        (results.tasks[record.key], record.cell.criterion, record.cell.seed): record.sparse.gates
        for record in results.records
        if record.sparse is not None and record.sparse.gates
    }
    counts: dict[tuple[Message, str], list[int]] = defaultdict(lambda: [0] * 10)
    for (task, criterion, _), gates in once.items():
        for group, bins in gates.items():
            where = (say("{criterion} on {task}", criterion=criterion, task=task), group)
            counts[where] = [a + b for a, b in zip(counts[where], bins, strict=True)]
    tenths = (say("to {share}", share=format(tenth / 10, "g")) for tenth in range(1, 11))
    header = (say("criterion and task"), say("group"), *tenths)
    rows = tuple((*where, *map(str, bins)) for where, bins in counts.items())
    caption = say("Units by the probability that their gate is open, in tenths; all seeds together.")
    return (Table(caption, header, rows, text_columns=2, folded=True),) * bool(rows)


def _tuned_strengths(results: Results) -> tuple[Text | Items, ...]:
    """List the strengths that `prunebench tune` chose."""
    known = {_strength_text(results, record) for record in results.records if record.strength is not None}
    return (
        (Text(say("Strengths that were tuned on validation pictures:")), Items(tuple(sorted(known)))) if known else ()
    )


def _strength_text(results: Results, record: Record) -> str:
    """Give a strength, and describe the trials that chose it, where the source has them."""
    cell, task, strength = record.cell, results.tasks[record.key], format(record.strength, "g")
    chosen = {"criterion": cell.criterion, "task": task, "strength": strength}
    tuned = _tuning(results, record)
    if tuned is None:
        return say("{criterion} on {task}: strength {strength}", **chosen)
    warnings = [say("at an end of the range")] if tuned.at_an_end else []
    warnings += [say("where the choice hardly changed in some trial")] if tuned.value in tuned.ineffective else []
    best = say_many(
        "{criterion} on {task}: strength {strength}, the best of {strengths} in {number} trial, {time} of training",
        "{criterion} on {task}: strength {strength}, the best of {strengths} in {number} trials, {time} of training",
        tuned.trials,
        strengths=say_many("{number} strength", "{number} strengths", len(tuned.validation)),
        time=duration(tuned.seconds),
        **chosen,
    )
    return joined((best, *warnings))


def _tuning(results: Results, record: Record) -> Choice | None:
    """Find the trials that chose a strength."""
    cell = record.cell
    wanted = (f"{cell.dataset} x {cell.model}", cell.criterion, record.strength, cell.metric == "weights")
    same = (one for one in results.tunings if (one.task, one.criterion, one.value, one.metric == "weights") == wanted)
    return next(same, None)
