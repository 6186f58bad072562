"""The answer of a report to its question, for each task, ranking and metric: which keep is told first, and of whom."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from prunebench.reports.analysis.verdicts import BETTER, NO_PAIRS, OPEN, OTHER_BUDGET, TIED, TOO_FEW, WORSE
from prunebench.reports.ordering import BASELINE
from prunebench.reports.points import PANEL_COLUMNS

Row = Mapping[Any, Any]
DECIDED = (BETTER, WORSE)
SHOWN = 4  # digits of an accuracy, a fraction, that a reader sees


@dataclass(frozen=True)
class Answer:
    """What the headline says of one task, ranking and metric.

    keep: the one with the most criteria that are better or worse than the baseline; among equals, the smallest.
    better, worse, undecided, too_few, not_compared: rows of the table `differences` against the baseline there, the
    largest difference first. named: the criterion whose speed and causes are told: the best of those that are better,
    else the first of the tables, which the baseline is where it was run. highest: the criterion with the highest mean
    accuracy of those that are neither better nor worse, and this mean, where it lies above that of `named`. others:
    the answers at the other keeps.
    """

    task: str
    ranking: str
    metric: str
    keep: float
    better: tuple[Row, ...]
    worse: tuple[Row, ...]
    undecided: tuple[Row, ...]
    too_few: tuple[Row, ...]
    not_compared: tuple[Row, ...]
    named: str
    highest: tuple[str, float] | None = None
    others: tuple["Answer", ...] = ()

    @property
    def tested(self) -> tuple[Row, ...]:
        """The rows that a test saw."""
        return (*self.better, *self.worse, *self.undecided, *self.too_few)

    @property
    def panel(self) -> tuple[str, str, str]:
        """Task, ranking and metric."""
        return self.task, self.ranking, self.metric

    @property
    def every_keep(self) -> tuple["Answer", ...]:
        """The answers at all keeps, the largest keep first."""
        return tuple(sorted((self, *self.others), key=lambda one: -one.keep))


def find_answers(summary: pd.DataFrame, differences: pd.DataFrame, demonstration: bool = False) -> list[Answer]:
    """Give one answer for each task, ranking and metric. A demonstration finds nothing better or worse.

    summary, differences: the tables of these names.
    """
    if not len(summary):
        return []
    answers = []
    for values, part in summary.groupby(PANEL_COLUMNS, sort=False):
        rows = _against_baseline(differences, values)
        rows = [{**row, "verdict": TOO_FEW} if demonstration and row["verdict"] in DECIDED else row for row in rows]
        found = [_answer(values, float(str(keep)), rows, of_keep) for keep, of_keep in part.groupby("keep", sort=False)]
        first = max(found, key=lambda one: (len(one.better) + len(one.worse), -one.keep))
        answers.append(replace(first, others=tuple(one for one in found if one is not first)))
    return answers


def _answer(panel: Sequence[Any], keep: float, rows: list[Row], summary: pd.DataFrame) -> Answer:
    here = [row for row in rows if row["keep"] == keep]

    def chosen(*verdicts: str) -> tuple[Row, ...]:
        return tuple(row for row in here if row["verdict"] in verdicts)

    task, ranking, metric = map(str, panel)
    better, undecided, too_few = chosen(BETTER), chosen(OPEN, TIED), chosen(TOO_FEW)
    named = str(better[0]["criterion"] if better else summary["criterion"].iloc[0])
    return Answer(
        task,
        ranking,
        metric,
        keep,
        better=better,
        worse=chosen(WORSE),
        undecided=undecided,
        too_few=too_few,
        not_compared=chosen(OTHER_BUDGET, NO_PAIRS),
        named=named,
        highest=_highest(named, (*undecided, *too_few), summary),
    )


def _highest(named: str, rivals: Sequence[Row], summary: pd.DataFrame) -> tuple[str, float] | None:
    """Find the rival with the highest mean accuracy, and this mean; None where it is not above that of `named`."""
    if "accuracy_finetuned" not in summary:
        return None
    means = {
        str(name): float(mean) for name, mean in zip(summary["criterion"], summary["accuracy_finetuned"], strict=True)
    }
    highest = max((str(row["criterion"]) for row in rivals), key=means.__getitem__, default=named)
    return (highest, means[highest]) if round(means[highest], SHOWN) > round(means[named], SHOWN) else None


def _against_baseline(differences: pd.DataFrame, panel: Sequence[Any]) -> list[Row]:
    if "verdict" not in differences:
        return []
    ours = differences[(differences[PANEL_COLUMNS] == list(panel)).all(axis="columns")]
    ours = ours[ours["primary"].astype(bool) & (ours["reference"] == BASELINE)]
    return sorted(ours.to_dict("records"), key=lambda row: -row["difference"] if row["n"] else math.inf)
