"""The sections on failed and missing cells, and on seeds that repeat one computation."""

from collections import defaultdict
from collections.abc import Iterator

from prunebench.records.record import Cell, Record
from prunebench.reports.document import Items, Section, Text
from prunebench.reports.failure_words import reason_text
from prunebench.reports.formatting import seed_ranges
from prunebench.reports.language.message import Message, code, joined, say, say_many
from prunebench.reports.ordering import METRIC_WORDS
from prunebench.reports.points import distinct_seeds
from prunebench.reports.results import Results


def repeated_sections(results: Results) -> list[Section]:
    """Name the criteria whose seeds repeat one computation; no section without any."""
    repeated: dict[str, dict[str, None]] = defaultdict(dict)
    for point, found in results.points.items():
        if len(distinct_seeds(found)) < len(found):
            repeated[point.task][point.criterion] = None
    if not repeated:
        return []
    text = say(
        "Nothing that a seed draws plays a part for these: every seed gives the same network and the same answers. "
        "Between them the seeds count as one."
    )
    lines = tuple(say("{task}: {names}", task=task, names=joined(map(code, names))) for task, names in repeated.items())
    return [Section(say("Seeds that repeat one computation"), (Text(text), Items(lines)))]


def failures_section(results: Results) -> Section:
    """List the cells that failed, with the reason, and the cells that were asked for but not run."""
    blocks: list[Text | Items] = []
    if results.failures:
        lines = tuple(_failed_cell(record, results) for record in results.failures)
        count = say_many(
            "{number} cell failed; the others do not depend on this.",
            "{number} cells failed; the others do not depend on this.",
            len(lines),
        )
        blocks += [Text(count), Items(lines)]
    if lacking := tuple(_lacking_cells(results)):
        text = say("Asked for, but not run (the same command again computes what is missing):")
        blocks += [Text(text), Items(lacking)]
    none = say("None: every cell that was asked for came out.") if results.asked else say("No cell failed.")
    return Section(say("Failures and gaps"), tuple(blocks) or (Text(none),))


def _lacking_cells(results: Results) -> Iterator[Message]:
    """Name the cells that were asked for but not run, seeds together."""
    lacking: dict[Cell, set[int]] = defaultdict(set)
    for cell in results.missing:
        lacking[cell.model_copy(update={"seed": 0})].add(cell.seed)
    for cell, seeds in lacking.items():
        yield say(
            "{task}, {ranking} ranking, keep {keep} {metric}, {criterion}: seed {seeds}",
            task=cell.task,
            ranking=cell.ranking,
            keep=format(cell.keep, "g"),
            metric=METRIC_WORDS[cell.metric],
            criterion=cell.criterion,
            seeds=seed_ranges(seeds),
        )


def _failed_cell(record: Record, results: Results) -> Message:
    cell = record.cell
    return say(
        "{task}, {ranking} ranking, {criterion}, seed {seed}, keep {keep} {metric}: {reason}",
        task=results.tasks[record.key],
        ranking=cell.ranking,
        criterion=cell.criterion,
        seed=cell.seed,
        keep=format(cell.keep, "g"),
        metric=METRIC_WORDS[cell.metric],
        reason=reason_text(record.reason) if record.reason else say("no reason given"),
    )
