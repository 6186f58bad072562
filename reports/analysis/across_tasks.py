"""Comparison over many tasks: ranks, tests over tasks (from six on), and interquartile means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from prunebench.reports.analysis.differences import is_primary
from prunebench.reports.analysis.verdicts import add_holm
from prunebench.reports.ordering import is_control
from prunebench.reports.points import Point, RecordBySeed, accuracy_change, finetuned_accuracy
from prunebench.reports.protocols import task_of
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

    scores: tasks x criteria, mean fine-tuned accuracy over seeds. Controls have no rank: random units rank worst and
    the unpruned network best, so any test of 'all rank alike' would reject. friedman, critical: None with fewer than
    six tasks or three methods, which no such test can serve. groups: criteria that a critical-difference diagram joins
    by a bar.
    """

    ranking: str
    metric: str
    keep: float
    scores: pd.DataFrame
    friedman: Friedman | None = None
    critical: float | None = None
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def key(self) -> dict[str, Any]:
        """The columns ranking, metric and keep."""
        return {name: getattr(self, name) for name in KEY}

    @property
    def ranks(self) -> pd.Series:
        """Mean rank of every method; 1 is best."""
        if not len(names := method_columns(self.scores)):
            return pd.Series(dtype=float)
        return pd.Series(mean_ranks(self.scores[names].to_numpy()), index=names)


def compare_across_tasks(results: Results) -> list[AcrossTasks]:
    """Put the tasks side by side, where there are two or more. A criterion that some task lacks is left out.

    A task that was run under several protocols is left out: it would count as several tasks.
    """
    groups: dict[tuple[str, str, float], dict[Point, RecordBySeed]] = {}
    for point, seeds in _one_protocol(results.points).items():
        groups.setdefault((point.ranking, point.metric, point.keep), {})[point] = seeds
    whole = [_across(*key, part) for key, part in groups.items()]
    return [entry for entry in whole if entry.scores.shape[0] > 1 and entry.scores.shape[1] > 1]


def ranks_table(entries: list[AcrossTasks]) -> pd.DataFrame:
    """One row per ranking, metric, keep and criterion: its mean rank and the test of 'all rank alike'.

    p_friedman: Friedman's test with Iman and Davenport's F. critical: Nemenyi's critical difference of mean ranks
    (p = 0.05). Both are missing with fewer than six tasks.
    """
    rows = []
    for entry in entries:
        base = entry.key | {"tasks": len(entry.scores)}
        test = {"p_friedman": entry.friedman.p_f, "critical": entry.critical} if entry.friedman else {}
        rows += [base | {"criterion": name, "rank": rank} | test for name, rank in entry.ranks.sort_values().items()]
    return pd.DataFrame(rows, columns=None if rows else [*KEY, "tasks", "criterion", "rank"])


def wilcoxon_table(entries: list[AcrossTasks]) -> pd.DataFrame:
    """One row per ranking, metric, keep and primary contrast: Wilcoxon's signed-rank test over tasks, from six on.

    difference: median over tasks of the differences of mean accuracies. p_holm: corrected over the contrasts of the
    same ranking, metric and keep. smallest_holm: the smallest p_holm that so many tasks can give.
    """
    rows: list[dict[str, Any]] = []
    for entry in entries:
        if len(entry.scores) < MIN_TASKS:
            continue
        family = [_wilcoxon(entry, *pair) for pair in _primary_pairs(entry)]
        add_holm(family)
        least = min(1.0, len(family) * 2.0 ** (1 - len(entry.scores)))
        rows += [row | {"smallest_holm": least} for row in family]
    return pd.DataFrame(rows, columns=None if rows else [*KEY, "tasks", "criterion", "reference"])


def aggregates_table(results: Results, entries: list[AcrossTasks]) -> pd.DataFrame:
    """One row per ranking, metric, keep and criterion: the interquartile mean over tasks and seeds.

    change: of the accuracy, pruned minus dense, a fraction.
    low, high: stratified bootstrap; seeds are resampled within each task, tasks are taken as given.
    n: tasks x seeds.
    """
    rows = []
    for entry in entries:
        for name in entry.scores.columns:
            points = [
                Point(str(task), entry.ranking, entry.metric, entry.keep, str(name)) for task in entry.scores.index
            ]
            strata = [[accuracy_change(record) for record in results.points[point].values()] for point in points]
            interval = stratified_interval(strata)
            numbers = {"change": interval.mean, "low": interval.low, "high": interval.high}
            rows.append(entry.key | {"criterion": name, "tasks": len(strata), "n": interval.n} | numbers)
    return pd.DataFrame(rows, columns=None if rows else [*KEY, "criterion", "tasks", "n", "change"])


def method_columns(scores: pd.DataFrame) -> list[str]:
    """Columns that are no controls."""
    return [str(name) for name in scores.columns if not is_control(str(name))]


def _one_protocol(found: Mapping[Point, RecordBySeed]) -> dict[Point, RecordBySeed]:
    names: dict[str, set[str]] = {}
    for point, seeds in found.items():
        record = next(iter(seeds.values()))
        names.setdefault(task_of(record), set()).add(point.task)
    single = {name for of_task in names.values() if len(of_task) == 1 for name in of_task}
    return {point: seeds for point, seeds in found.items() if point.task in single}


def _across(ranking: str, metric: str, keep: float, part: Mapping[Point, RecordBySeed]) -> AcrossTasks:
    means = {
        (point.task, point.criterion): np.mean([finetuned_accuracy(record) for record in seeds.values()])
        for point, seeds in part.items()
    }
    wide = pd.Series(means).unstack(sort=False).dropna(axis="columns")
    tasks, names = len(wide), method_columns(wide)
    if tasks < MIN_TASKS or len(names) < 3:
        return AcrossTasks(ranking, metric, keep, wide)
    test, critical = friedman_test(wide[names].to_numpy()), critical_difference(len(names), tasks)
    groups = tuple(tuple(names[i] for i in group) for group in cliques(test.ranks, critical))
    return AcrossTasks(ranking, metric, keep, wide, test, critical, groups)


def _primary_pairs(entry: AcrossTasks) -> Iterator[tuple[str, str]]:
    names = [str(name) for name in entry.scores.columns]
    yield from ((one, other) for one in names for other in names if is_primary(one, other))


def _wilcoxon(entry: AcrossTasks, criterion: str, reference: str) -> dict[str, Any]:
    ours, other = entry.scores[criterion].to_numpy(), entry.scores[reference].to_numpy()
    return entry.key | {
        "tasks": len(ours),
        "criterion": criterion,
        "reference": reference,
        "difference": float(np.median(ours - other)),
        "p": wilcoxon_p(ours, other),
    }
