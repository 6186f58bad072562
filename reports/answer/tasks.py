"""The section over tasks: mean ranks and tests from six tasks on, interquartile means from two tasks on."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from prunebench.reports.analysis.across_tasks import AcrossTasks
from prunebench.reports.analysis.verdicts import ALPHA
from prunebench.reports.document import Items, Part, Section, Table, Text
from prunebench.reports.formatting import signed_interval
from prunebench.reports.language.message import SEMICOLON, SPACE, Message, code, joined, say, say_many
from prunebench.reports.row_text import keep_of_metric, row_interval
from prunebench.reports.statistics.ranks import MIN_TASKS

TITLE = say("Does it hold over tasks?")
HOW = say(
    "Seeds are averaged first: a task is one observation. Controls have no rank. Interquartile means pool tasks and "
    "seeds of pruned minus dense accuracy; their interval resamples seeds within tasks and takes the tasks as given. "
    "Each ranking and keep is a family of tests of its own, beside those of the verdicts."
)
FEW = say("Two tasks or more with the same criteria are needed to put them side by side.")


def tasks_section(entries: list[AcrossTasks], wilcoxon: pd.DataFrame, aggregates: pd.DataFrame) -> Section:
    """Give ranks, tests and aggregates of every ranking and keep. Fewer than six tasks have no test."""
    if not entries:
        return Section(TITLE, (), FEW)
    blocks: list[Part] = [Text(HOW), Items(tuple(_sentence(entry, wilcoxon) for entry in entries))]
    rows = tuple(_row(r) for r in aggregates.to_dict("records"))
    header = (say("ranking"), say("keep"), say("criterion"), say("tasks"), "n", say("interquartile mean of the change"))
    caption = say("Pruned - dense accuracy in points, 95 % interval.")
    return Section(TITLE, (*blocks, Table(caption, header, rows, text_columns=3, folded=True)), name="tasks")


def _sentence(entry: AcrossTasks, wilcoxon: pd.DataFrame) -> str:
    ranks = [
        say("`{criterion}` {rank}", criterion=name, rank=format(rank, ".2f"))
        for name, rank in entry.ranks.sort_values().items()
    ]
    where = {"ranking": entry.ranking, "keep": keep_of_metric(entry.key)}
    tasks = len(entry.scores)
    if not ranks:
        return say_many(
            "{ranking} ranking, keep {keep}, {number} task: no method, controls only",
            "{ranking} ranking, keep {keep}, {number} tasks: no method, controls only",
            tasks,
            **where,
        )
    first = say_many(
        "{ranking} ranking, keep {keep}, {number} task: mean ranks {ranks}.",
        "{ranking} ranking, keep {keep}, {number} tasks: mean ranks {ranks}.",
        tasks,
        ranks=joined(ranks),
        **where,
    )
    if tasks < MIN_TASKS:
        few = say("No test: {fewest} tasks are the fewest that such a test can serve.", fewest=MIN_TASKS)
        return joined((first, few), SPACE)
    return joined((first, *_friedman_sentences(entry), *_wilcoxon_sentences(entry, wilcoxon)), SPACE)


def _friedman_sentences(entry: AcrossTasks) -> Iterator[Message]:
    if entry.friedman is None or entry.critical is None:
        return
    given = {"p": format(entry.friedman.p_f, ".2g"), "critical": format(entry.critical, ".2f")}
    if entry.friedman.p_f <= ALPHA:
        yield say(
            "Friedman with Iman and Davenport's F: p = {p}, not all alike; critical difference {critical}.", **given
        )
    else:
        yield say(
            "Friedman with Iman and Davenport's F: p = {p}, no difference shown; critical difference {critical}.",
            **given,
        )
    groups = joined((joined(map(code, group)) for group in entry.groups), SEMICOLON)
    yield say("Undecided among themselves: {groups}.", groups=groups) if groups else say("Undecided: none.")


def _wilcoxon_sentences(entry: AcrossTasks, wilcoxon: pd.DataFrame) -> Iterator[Message]:
    same = (wilcoxon["ranking"] == entry.ranking) & (wilcoxon["metric"] == entry.metric)
    rows = wilcoxon[same & (wilcoxon["keep"] == entry.keep)].to_dict("records")
    if not rows:
        return
    tested = joined(
        say(
            "`{criterion}` to `{reference}` {p}",
            criterion=row["criterion"],
            reference=row["reference"],
            p=format(row["p_holm"], ".2g"),
        )
        for row in rows
    )
    yield say("Wilcoxon's signed ranks, p after Holm's correction: {tested}.", tested=tested)
    least = rows[0]["smallest_holm"]
    if least > ALPHA:
        yield say_many(
            "{number} contrast over {tasks} tasks cannot give less than {least}: too few.",
            "{number} contrasts over {tasks} tasks cannot give less than {least}: too few.",
            len(rows),
            tasks=rows[0]["tasks"],
            least=format(least, ".2g"),
        )


def _row(r: dict[Any, Any]) -> tuple[str, ...]:
    where = (r["ranking"], keep_of_metric(r), r["criterion"], str(r["tasks"]), str(r["n"]))
    return (*where, signed_interval(row_interval(r, mean="change")))
