"""The section on sparse training that did nothing."""

from collections import defaultdict

from prunebench.records.record import Record
from prunebench.reports.document import Items, Section, Text
from prunebench.reports.formatting import counted, duration, seed_ranges
from prunebench.reports.results import Results


def sparse_section(results: Results) -> Section:
    """List the sparse training whose regulariser fell by less than 5 %, and the tuned strengths."""
    flagged: dict[tuple[str, str], set[int]] = defaultdict(set)
    trained: dict[tuple[str, str], set[int]] = defaultdict(set)
    for record in results.records:
        if record.sparse is not None:
            cell = (results.tasks[record.key], record.cell.criterion)
            trained[cell].add(record.cell.seed)
            if record.sparse.ineffective:
                flagged[cell].add(record.cell.seed)
    title = "Ineffective sparse training"
    if not trained:
        return Section(title, (), "No network here was trained with a regulariser.")
    tuned = _tuned_strengths(results)
    if not flagged:
        return Section(title, (Text("None: every regulariser's term fell by 5 % or more."), *tuned))
    lines = [
        f"{criterion} on {task}: seed {seed_ranges(found)} ({len(found)} of {len(trained[task, criterion])})"
        for (task, criterion), found in flagged.items()
    ]
    text = "The term fell by less than 5 %: at its strength the regulariser did nothing, so these are the score alone."
    return Section(title, (Text(text), Items(tuple(lines)), *tuned))


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
