"""Over many tasks: ranks, tests over tasks (from six on), and interquartile means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from prunebench.reports.analysis.differences import is_primary
from prunebench.reports.analysis.family import add_holm
from prunebench.reports.grid import is_control
from prunebench.reports.points import Point, RecordBySeed, dense_accuracy, finetuned_accuracy, group_by_point
from prunebench.reports.results import Results
from prunebench.reports.statistics.interquartile_mean import stratified_interval
from prunebench.reports.statistics.ranks import (
    MIN_TASKS,
    Friedman,
    cliques,
    critical_difference,
    friedman_test,
    mean_ranks,
    wilcoxon_p,
)

KEY = ["ranking", "metric", "keep"]


@dataclass(frozen=True)
class AcrossTasks:
    """One ranking, metric and keep over all tasks whose cells are complete.

    scores: tasks x criteria, mean fine-tuned accuracy over seeds. Controls have no rank: that random units are worst
    and the unpruned network best would make any test of 'all are alike' reject. friedman, critical, groups: None and
    empty where there are fewer than six tasks or three methods, which no such test can serve. groups: criteria that
    a critical-difference diagram joins by a bar.
    """

    ranking: str
    metric: str
    keep: float
    scores: pd.DataFrame
    friedman: Friedman | None = None
    critical: float | None = None
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def ranks(self) -> pd.Series:
        """Mean rank of every method, 1 = best."""
        if not len(names := method_columns(self.scores)):
            return pd.Series(dtype=float)
        return pd.Series(mean_ranks(self.scores[names].to_numpy()), index=names)


def compare_across_tasks(results: Results) -> list[AcrossTasks]:
    """Put the tasks side by side, where there are two or more; a criterion that some task lacks is left out.

    A task that was run under several protocols is no task of its own under each, and is left out.
    """
    found = group_by_point(results)
    groups: dict[tuple[str, str, float], dict[Point, RecordBySeed]] = {}
    for point, seeds in _one_protocol(found).items():
        groups.setdefault((point.ranking, point.metric, point.keep), {})[point] = seeds
    whole = [_over(*key, part) for key, part in groups.items()]
    return [entry for entry in whole if entry.scores.shape[0] > 1 and entry.scores.shape[1] > 1]


def ranks_table(entries: list[AcrossTasks]) -> pd.DataFrame:
    """One row per ranking, metric, keep and criterion: its mean rank and the test of 'all are alike'.

    p_friedman: Friedman's test with Iman and Davenport's F; critical: Nemenyi's critical difference of mean ranks
    (p = 0.05); both missing where there are fewer than six tasks.
    """
    rows = []
    for entry in entries:
        base = {"ranking": entry.ranking, "metric": entry.metric, "keep": entry.keep, "tasks": len(entry.scores)}
        test = {"p_friedman": entry.friedman.p_f, "critical": entry.critical} if entry.friedman else {}
        rows += [base | {"criterion": name, "rank": rank} | test for name, rank in entry.ranks.sort_values().items()]
    return pd.DataFrame(rows, columns=None if rows else [*KEY, "tasks", "criterion", "rank"])


def wilcoxon_table(entries: list[AcrossTasks]) -> pd.DataFrame:
    """One row per ranking, metric, keep and primary contrast: Wilcoxon's signed-rank test over tasks, from six on.

    difference: median over tasks of the differences of mean accuracies; p_holm: corrected over the contrasts of the
    same ranking, metric and keep; smallest_holm: the smallest that so many tasks can give.
    """
    rows: list[dict[str, Any]] = []
    for entry in entries:
        if len(entry.scores) < MIN_TASKS:
            continue
        family = [_wilcoxon(entry, *pair) for pair in _pairs(entry)]
        add_holm(family)
        least = min(1.0, len(family) * 2.0 ** (1 - len(entry.scores)))
        rows += [row | {"smallest_holm": least} for row in family]
    return pd.DataFrame(rows, columns=None if rows else [*KEY, "tasks", "criterion", "reference"])


def aggregates_table(results: Results, entries: list[AcrossTasks]) -> pd.DataFrame:
    """One row per ranking, metric, keep and criterion: the interquartile mean, over tasks and seeds, of pruned - dense.

    change: in fractions; low, high: stratified bootstrap (seeds resampled within each task; the tasks themselves are
    taken as given); n: tasks x seeds.
    """
    found = group_by_point(results)
    rows = []
    for entry in entries:
        for name in entry.scores.columns:
            strata = [
                [finetuned_accuracy(record) - dense_accuracy(record) for record in seeds.values()]
                for task in entry.scores.index
                for seeds in (found[Point(str(task), entry.ranking, entry.metric, entry.keep, str(name))],)
            ]
            interval = stratified_interval(strata)
            where = {"ranking": entry.ranking, "metric": entry.metric, "keep": entry.keep, "criterion": name}
            numbers = {"change": interval.mean, "low": interval.low, "high": interval.high}
            rows.append(where | {"tasks": len(strata), "n": interval.n} | numbers)
    return pd.DataFrame(rows, columns=None if rows else [*KEY, "criterion", "tasks", "n", "change"])


def _one_protocol(found: Mapping[Point, RecordBySeed]) -> dict[Point, RecordBySeed]:
    names: dict[str, set[str]] = {}
    for point, seeds in found.items():
        names.setdefault(next(iter(seeds.values())).cell.task, set()).add(point.task)
    single = {name for of_task in names.values() if len(of_task) == 1 for name in of_task}
    return {point: seeds for point, seeds in found.items() if point.task in single}


def _over(ranking: str, metric: str, keep: float, part: Mapping[Point, RecordBySeed]) -> AcrossTasks:
    means = {
        (point.task, point.criterion): np.mean([finetuned_accuracy(r) for r in s.values()]) for point, s in part.items()
    }
    wide = pd.Series(means).unstack(sort=False).dropna(axis="columns")
    tasks, names = len(wide), method_columns(wide)
    if tasks < MIN_TASKS or len(names) < 3:
        return AcrossTasks(ranking, metric, keep, wide)
    test, critical = friedman_test(wide[names].to_numpy()), critical_difference(len(names), tasks)
    groups = tuple(tuple(names[i] for i in group) for group in cliques(test.ranks, critical))
    return AcrossTasks(ranking, metric, keep, wide, test, critical, groups)


def method_columns(scores: pd.DataFrame) -> list[str]:
    """Columns that are no controls."""
    return [str(name) for name in scores.columns if not is_control(str(name))]


def _pairs(entry: AcrossTasks) -> Iterator[tuple[str, str]]:
    names = [str(name) for name in entry.scores.columns]
    yield from ((one, other) for one in names for other in names if is_primary(one, other))


def _wilcoxon(entry: AcrossTasks, criterion: str, reference: str) -> dict[str, Any]:
    ours, other = entry.scores[criterion].to_numpy(), entry.scores[reference].to_numpy()
    return {
        "ranking": entry.ranking,
        "metric": entry.metric,
        "keep": entry.keep,
        "tasks": len(ours),
        "criterion": criterion,
        "reference": reference,
        "difference": float(np.median(ours - other)),
        "p": wilcoxon_p(ours, other),
    }
