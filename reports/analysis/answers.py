"""The answer of a report to its question, for each task, ranking and metric: which keep is told first, and of whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from prunebench.reports.analysis.verdicts import BETTER, OPEN, TIED, TOO_FEW, WORSE
from prunebench.reports.ordering import BASELINE
from prunebench.reports.points import PANEL_COLUMNS

Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Answer:
    """What the headline says of one task, ranking and metric.

    keep: the one with the most criteria that are better or worse than the baseline; among equals, the smallest.
    seeds: the fewest of any contrast there. better, worse, undecided: rows of the table `differences` against the
    baseline, the largest difference first. named: the criterion whose speed and causes are told: the best of those that
    are better, else the baseline, else the first that was run.
    """

    task: str
    ranking: str
    metric: str
    keep: float
    seeds: int
    better: tuple[Row, ...]
    worse: tuple[Row, ...]
    undecided: tuple[Row, ...]
    too_few: tuple[Row, ...]
    named: str

    @property
    def panel(self) -> tuple[str, str, str]:
        """Task, ranking and metric."""
        return self.task, self.ranking, self.metric


def find_answers(summary: pd.DataFrame, differences: pd.DataFrame) -> list[Answer]:
    """Give one answer for each task, ranking and metric. summary, differences: the tables of these names."""
    if not len(summary):
        return []
    answers = []
    for values, part in summary.groupby(PANEL_COLUMNS, sort=False):
        rows = _against_baseline(differences, values)
        by_keep = {float(keep): [row for row in rows if row["keep"] == keep] for keep in part["keep"].unique()}
        keep = max(by_keep, key=lambda keep: (sum(row["verdict"] in (BETTER, WORSE) for row in by_keep[keep]), -keep))
        answers.append(_answer(values, keep, by_keep[keep], part[part["keep"] == keep]))
    return answers


def _answer(panel: Sequence[Any], keep: float, rows: list[Row], summary: pd.DataFrame) -> Answer:
    def chosen(*verdicts: str) -> tuple[Row, ...]:
        return tuple(row for row in rows if row["verdict"] in verdicts)

    better, names = chosen(BETTER), list(summary["criterion"])
    named = str(better[0]["criterion"]) if better else BASELINE if BASELINE in names else str(names[0])
    seeds = min((int(row["n"]) for row in rows), default=int(summary["n"].min()))
    task, ranking, metric = map(str, panel)
    undecided = chosen(OPEN, TIED)
    return Answer(task, ranking, metric, keep, seeds, better, chosen(WORSE), undecided, chosen(TOO_FEW), named)


def _against_baseline(differences: pd.DataFrame, panel: Sequence[Any]) -> list[Row]:
    if "verdict" not in differences:
        return []
    ours = differences[(differences[PANEL_COLUMNS] == list(panel)).all(axis="columns")]
    ours = ours[ours["primary"].astype(bool) & (ours["reference"] == BASELINE)]
    return sorted(ours.to_dict("records"), key=lambda row: -row["difference"])
