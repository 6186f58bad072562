"""The section over tasks: mean ranks and tests from six tasks on, interquartile means from two tasks on."""

from typing import Any

import pandas as pd

from prunebench.reports.analysis.across_tasks import AcrossTasks
from prunebench.reports.analysis.verdicts import ALPHA
from prunebench.reports.document import Items, Part, Section, Table, Text
from prunebench.reports.formatting import counted, signed_interval
from prunebench.reports.row_text import keep_of_metric, row_interval
from prunebench.reports.statistics.ranks import MIN_TASKS

TITLE = "Does it hold over tasks?"
HOW = (
    "Seeds are averaged first: a task is one observation. Controls have no rank. Interquartile means pool tasks and "
    "seeds of pruned minus dense accuracy; their interval resamples seeds within tasks and takes the tasks as given. "
    "Each ranking and keep is a family of tests of its own, beside those of the verdicts."
)


def tasks_section(entries: list[AcrossTasks], wilcoxon: pd.DataFrame, aggregates: pd.DataFrame) -> Section:
    """Give ranks, tests and aggregates of every ranking and keep. Fewer than six tasks have no test."""
    if not entries:
        return Section(TITLE, (), "Two tasks or more with the same criteria are needed to put them side by side.")
    blocks: list[Part] = [Text(HOW), Items(tuple(_sentence(entry, wilcoxon) for entry in entries))]
    rows = tuple(_row(r) for r in aggregates.to_dict("records"))
    header = ("ranking", "keep", "criterion", "tasks", "n", "interquartile mean of the change")
    caption = "Pruned - dense accuracy in points, 95 % interval."
    return Section(TITLE, (*blocks, Table(caption, header, rows, text_columns=3, folded=True)), name="tasks")


def _sentence(entry: AcrossTasks, wilcoxon: pd.DataFrame) -> str:
    ranks = ", ".join(f"`{name}` {rank:.2f}" for name, rank in entry.ranks.sort_values().items())
    tasks = len(entry.scores)
    where = f"{entry.ranking} ranking, keep {keep_of_metric(entry.key)}, {tasks} tasks: mean ranks {ranks}"
    if not ranks:
        return f"{where.partition(':')[0]}: no method, controls only"
    if tasks < MIN_TASKS:
        return f"{where}. No test: {MIN_TASKS} tasks are the fewest that such a test can serve."
    return f"{where}. {_friedman_sentence(entry)}{_wilcoxon_sentence(entry, wilcoxon)}"


def _friedman_sentence(entry: AcrossTasks) -> str:
    if entry.friedman is None or entry.critical is None:
        return ""
    test = entry.friedman
    verdict = "not all alike" if test.p_f <= 0.05 else "no difference shown"
    text = (
        f"Friedman with Iman and Davenport's F: p = {test.p_f:.2g}, {verdict}; critical difference {entry.critical:.2f}"
    )
    bars = "; ".join(", ".join(f"`{name}`" for name in group) for group in entry.groups)
    return f"{text}; not told apart: {bars or 'none'}. "


def _wilcoxon_sentence(entry: AcrossTasks, wilcoxon: pd.DataFrame) -> str:
    same = (wilcoxon["ranking"] == entry.ranking) & (wilcoxon["metric"] == entry.metric)
    rows = wilcoxon[same & (wilcoxon["keep"] == entry.keep)].to_dict("records")
    tested = ", ".join(f"`{r['criterion']}` to `{r['reference']}` {r['p_holm']:.2g}" for r in rows)
    if not tested:
        return ""
    least = rows[0]["smallest_holm"]
    few = f" {counted(len(rows), 'contrast')} over {rows[0]['tasks']} tasks cannot give less than {least:.2g}: too few."
    return f"Wilcoxon's signed ranks, p after Holm's correction: {tested}.{few if least > ALPHA else ''}"


def _row(r: dict[Any, Any]) -> tuple[str, ...]:
    where = (r["ranking"], keep_of_metric(r), r["criterion"], str(r["tasks"]), str(r["n"]))
    return (*where, signed_interval(row_interval(r, mean="change")))
