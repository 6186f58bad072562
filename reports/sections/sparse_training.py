"""The section on sparse training: what did nothing, which units were pushed and cut, how far gates are open."""

from collections import defaultdict
from statistics import fmean

from prunebench.records.record import PushedUnits, Record
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import counted, duration, seed_ranges
from prunebench.reports.results import Results


def sparse_section(results: Results) -> Section:
    """List terms that fell by less than 5 %, pushed units, open probabilities of gates, and tuned strengths."""
    flagged: dict[tuple[str, str], set[int]] = defaultdict(set)
    trained: dict[tuple[str, str], set[int]] = defaultdict(set)
    for record in results.records:
        if record.sparse is not None:
            cell = (results.tasks[record.key], record.cell.criterion)
            trained[cell].add(record.cell.seed)
            if record.sparse.ineffective:
                flagged[cell].add(record.cell.seed)
    title = "Sparse training"
    if not trained:
        return Section(title, (), "No network here was trained with a regulariser.")
    more = (*_pushed_units(results), *_open_gates(results), *_tuned_strengths(results))
    if not flagged:
        return Section(title, (Text("Every regulariser's term fell by 5 % or more."), *more))
    lines = [
        f"{criterion} on {task}: seed {seed_ranges(found)} ({len(found)} of {len(trained[task, criterion])})"
        for (task, criterion), found in flagged.items()
    ]
    text = "The term fell by less than 5 %: at its strength the regulariser did nothing, so these are the score alone."
    return Section(title, (Text(text), Items(tuple(lines)), *more))


def _pushed_units(results: Results) -> tuple[Text | Items, ...]:
    """Say of each criterion how many units it pushed, and how many of the units that were cut."""
    found: dict[str, dict[str, list[PushedUnits]]] = defaultdict(lambda: defaultdict(list))
    for record in results.records:
        if record.pushed is not None:
            cell = record.cell
            keep = f"{cell.metric}={cell.keep:g}" + f" ({cell.ranking})" * (cell.ranking != "local")
            found[f"{cell.criterion} on {results.tasks[record.key]}"][keep].append(record.pushed)
    lines = tuple(f"{who}: {_pushed_text(keeps)}" for who, keeps in found.items())
    return (Text("Units that sparse training pushed to zero, and those cut (means over seeds):"), Items(lines)) * bool(
        lines
    )


def _pushed_text(keeps: dict[str, list[PushedUnits]]) -> str:
    every = [facts for several in keeps.values() for facts in several]
    pushed, units = (fmean(getattr(facts, name) for facts in every) for name in ("pushed", "units"))
    cuts = [
        f"at {keep} {fmean(f.cut for f in several):.0f} cut, {fmean(f.both for f in several):.0f} of them pushed"
        for keep, several in keeps.items()
    ]
    return f"{pushed:.0f} of {units:.0f} pushed; {'; '.join(cuts)}"


def _open_gates(results: Results) -> tuple[Table, ...]:
    """Tabulate how many units of each group have a gate that is open with a probability in each tenth."""
    once = {
        (results.tasks[record.key], record.cell.criterion, record.cell.seed): record.sparse.gates
        for record in results.records
        if record.sparse is not None and record.sparse.gates
    }
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 10)
    for (task, criterion, _), gates in once.items():
        for group, bins in gates.items():
            where = (f"{criterion} on {task}", group)
            counts[where] = [a + b for a, b in zip(counts[where], bins, strict=True)]
    header = ("criterion and task", "group", *(f"to {tenth / 10:g}" for tenth in range(1, 11)))
    rows = tuple((*where, *map(str, bins)) for where, bins in counts.items())
    caption = "Units by the probability that their gate is open, in tenths; all seeds together."
    return (Table(caption, header, rows, text_columns=2, folded=True),) * bool(rows)


def _tuned_strengths(results: Results) -> tuple[Text | Items, ...]:
    """List the strengths that `prunebench tune` chose."""
    known = {
        f"{r.cell.criterion} on {results.tasks[r.key]}: strength {r.strength:g}{_trials_text(results, r)}"
        for r in results.records
        if r.strength is not None
    }
    return (Text("Strengths that were tuned on validation pictures:"), Items(tuple(sorted(known)))) if known else ()


def _trials_text(results: Results, record: Record) -> str:
    """Describe the trials that chose a strength; empty where the source has none."""
    cell = record.cell
    wanted = (f"{cell.dataset} x {cell.model}", cell.criterion, record.strength, cell.metric == "weights")
    for one in results.tunings:
        if (one.task, one.criterion, one.value, one.metric == "weights") == wanted:
            tried = f"{counted(len(one.validation), 'strength')} in {counted(one.trials, 'trial')}"
            warning = ", at an end of the range" * one.at_an_end
            warning += ", where the term hardly fell" * (one.value in one.ineffective)
            return f", the best of {tried}, {duration(one.seconds)} of training{warning}"
    return ""
