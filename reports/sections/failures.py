"""The sections on failed and missing cells, and on seeds that repeat one computation."""

from collections import defaultdict

from prunebench.records.record import Record
from prunebench.reports.document import Items, Section, Text
from prunebench.reports.formatting import counted, seed_ranges
from prunebench.reports.ordering import METRIC_WORDS
from prunebench.reports.points import distinct_seeds
from prunebench.reports.results import Results


def repeated_sections(results: Results) -> list[Section]:
    """Name the criteria whose seeds repeat one computation; no section without any."""
    repeated: dict[str, dict[str, None]] = defaultdict(dict)
    for point, found in results.points.items():
        if len(distinct_seeds(found)) < len(found):
            repeated[point.task][f"`{point.criterion}`"] = None
    if not repeated:
        return []
    text = (
        "Nothing that a seed draws plays a part for these: every seed gives the same network and the same answers. "
        "Between them the seeds count as one."
    )
    lines = tuple(f"{task}: {', '.join(names)}" for task, names in repeated.items())
    return [Section("Seeds that repeat one computation", (Text(text), Items(lines)))]


def failures_section(results: Results) -> Section:
    """List the cells that failed, with the reason, and the cells that were asked for but not run."""
    blocks: list[Text | Items] = []
    if results.failures:
        lines = [f"{_cell_text(record, results)}: {record.reason or 'no reason given'}" for record in results.failures]
        blocks += [
            Text(f"{counted(len(lines), 'cell')} failed; the others do not depend on this."),
            Items(tuple(lines)),
        ]
    lacking: dict[str, set[int]] = defaultdict(set)
    for c in results.missing:
        lacking[f"{c.task}, {c.ranking} ranking, keep {c.keep:g} {METRIC_WORDS[c.metric]}, {c.criterion}"].add(c.seed)
    if lacking:
        text = "Asked for, but not run (the same command again computes what is missing):"
        blocks += [Text(text), Items(tuple(f"{where}: seed {seed_ranges(found)}" for where, found in lacking.items()))]
    none = "None: every cell that was asked for came out." if results.asked else "No cell failed."
    return Section("Failures and gaps", tuple(blocks) or (Text(none),))


def _cell_text(record: Record, results: Results) -> str:
    cell = record.cell
    where = f"{results.tasks[record.key]}, {cell.ranking} ranking, {cell.criterion}, seed {cell.seed}"
    return f"{where}, keep {cell.keep:g} {METRIC_WORDS[cell.metric]}"
