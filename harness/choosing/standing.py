"""How the confirmed criteria stand: means, differences to `magnitude`, verdicts, and the choice among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from prunebench.records.names import RANDOM
from prunebench.reports.analysis.differences import areas_table, differences_table
from prunebench.reports.analysis.verdicts import BETTER, WORSE
from prunebench.reports.ordering import BASELINE
from prunebench.reports.points import finetuned_accuracy
from prunebench.reports.results import Results
from prunebench.reports.statistics.intervals import t_interval


@dataclass(frozen=True)
class Standing:
    """One confirmed criterion. mean, half: accuracy on test pictures (or area) with half of its t interval.

    row: its contrast against `magnitude`, as in the report; None for the references. verdict: of this contrast, empty
    where there is none.
    """

    criterion: str
    mean: float
    half: float | None = None
    verdict: str = ""
    row: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    @property
    def decided(self) -> bool:
        """Tell whether the test found the criterion better or worse than `magnitude`."""
        return self.verdict in (BETTER, WORSE)


def standings(results: Results, trained: int) -> list[Standing]:
    """Give the confirmed criteria, the highest mean first. Criteria with a failed or missing point are left out.

    results: of one task. trained: seeds of the confirmation. Several keeps are joined to the area under the curve.
    In a demonstration no criterion has a verdict.
    """
    several = len({point.keep for point in results.points}) > 1
    table = areas_table(results) if several else differences_table(results)
    means = _areas(table, trained) if several else _accuracies(results, trained)
    contrasts = _contrasts(table)
    found = []
    for name, (mean, half) in means.items():
        row = contrasts.get(name)
        verdict = "" if row is None or results.demonstration else str(row["verdict"])
        found.append(Standing(name, mean, half, verdict, row))
    return sorted(found, key=lambda one: -one.mean)


def chosen(found: Sequence[Standing]) -> Standing | None:
    """Choose the highest mean that is not shown worse than `magnitude`. The control `random` is never chosen.

    found: the highest mean first. None where every criterion failed.

    >>> better, worse = Standing("a", 0.8, verdict="undecided"), Standing("b", 0.9, verdict="worse")
    >>> chosen([worse, Standing("random", 0.85), better]).criterion
    'a'
    """
    return next((one for one in found if one.criterion != RANDOM and one.verdict != WORSE), None)


def _accuracies(results: Results, trained: int) -> dict[str, tuple[float, float | None]]:
    found = {}
    for point, by_seed in results.points.items():
        if len(by_seed) == trained:
            interval = t_interval([finetuned_accuracy(record) for record in by_seed.values()])
            found[point.criterion] = (interval.mean, interval.half)
    return found


def _areas(table: pd.DataFrame, trained: int) -> dict[str, tuple[float, float | None]]:
    whole = table[table["seeds"] == trained] if len(table) else table
    return {str(row["criterion"]): (row["area"], row["area_half"]) for row in whole.to_dict("records")}


def _contrasts(table: pd.DataFrame) -> dict[str, dict[Any, Any]]:
    """Give the primary rows against `magnitude`, by criterion."""
    if not len(table) or "verdict" not in table:
        return {}
    ours = table[table["primary"].astype(bool) & (table["reference"] == BASELINE)]
    return {str(row["criterion"]): row for row in ours.to_dict("records")}
