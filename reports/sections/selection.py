"""The section on how sure the choices of units were: constant scores, ties, and the error of scores that draw."""

from statistics import median

from prunebench.records.record import Record
from prunebench.records.selection import SelectionFacts
from prunebench.reports.document import Items, Section, Table, Text
from prunebench.reports.formatting import MISSING, percent
from prunebench.reports.language.message import say, say_many
from prunebench.reports.points import Point
from prunebench.reports.results import Results
from prunebench.reports.row_text import keep_of_metric

TITLE = say("How sure the choices are")
HEADER = (
    *(say("task"), say("ranking"), say("criterion"), say("keep"), say("removed"), say("by lot")),
    *(say("error of draws"), say("within error"), say("otherwise")),
)
CAPTION = say("Units removed at each criterion's smallest keep, in all cuts down to it, summed over seeds.")
MEANING = say(
    "By lot: removed units whose score equals that of a unit of their group that stayed. Scores that draw random "
    "numbers were computed once more with other draws. Error of draws: relative standard error of one scoring, the "
    "median over groups and seeds. Within error: removed units whose score lies within it of a unit that stayed. "
    "Otherwise: removed units that the second scores would have kept. All three are missing where a score draws "
    "nothing, or where its second scores were refused."
)

NONE = say("No score had ties where units were removed, and none draws random numbers.")


def selection_section(results: Results) -> Section:
    """Name the scores that were constant in groups, and tabulate ties and errors where there are any."""
    known = {point: found for point, found in _smallest_keeps(results).items() if found}
    if not known:
        return Section(TITLE, (), say("No criterion with a score was run here."))
    unsure = {
        point: facts
        for point, facts in known.items()
        if any(one.constant or one.by_lot or one.error is not None for one in facts)
    }
    if not unsure:
        return Section(TITLE, (Text(NONE),))
    lines = tuple(line for point, facts in unsure.items() for line in _constant_lines(point, facts))
    flagged = (Items(lines),) if lines else ()
    rows = tuple(_row(point, facts) for point, facts in unsure.items())
    return Section(TITLE, (*flagged, Text(MEANING), Table(CAPTION, HEADER, rows, text_columns=4)))


def _smallest_keeps(results: Results) -> dict[Point, list[SelectionFacts]]:
    """Give the facts of all seeds at the smallest keep of each criterion; that point comes last."""
    last: dict[tuple[str, str, str, str], Point] = {}
    for point in results.points:
        last[point.task, point.ranking, point.metric, point.criterion] = point
    records: dict[Point, list[Record]] = {point: [*results.points[point].values()] for point in last.values()}
    return {point: [r.selection for r in found if r.selection] for point, found in records.items()}


def _constant_lines(point: Point, seeds: list[SelectionFacts]) -> list[str]:
    most = max(seeds, key=lambda facts: len(facts.constant))
    if not most.constant:
        return []
    line = say_many(
        "{criterion} on {task}, {ranking} ranking: constant in {constant} of {number} group: these units were removed "
        "by lot",
        "{criterion} on {task}, {ranking} ranking: constant in {constant} of {number} groups: these units were removed "
        "by lot",
        most.groups,
        criterion=point.criterion,
        task=point.task,
        ranking=point.ranking,
        constant=len(most.constant),
    )
    return [line]


def _row(point: Point, seeds: list[SelectionFacts]) -> tuple[str, ...]:
    drawn = [facts for facts in seeds if facts.error is not None]
    return (
        *(point.task, point.ranking, point.criterion, keep_of_metric(point._asdict())),
        f"{sum(facts.removed for facts in seeds):,}",
        f"{sum(facts.by_lot for facts in seeds):,}",
        percent(median(facts.error or 0.0 for facts in drawn), 1) if drawn else MISSING,
        *(_share(name, drawn) for name in ("within_error", "otherwise")),
    )


def _share(name: str, drawn: list[SelectionFacts]) -> str:
    """Count units of the seeds that were scored twice."""
    return f"{sum(getattr(facts, name) for facts in drawn):,}" if drawn else MISSING
