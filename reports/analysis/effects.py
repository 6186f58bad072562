"""What a choice changes: the accuracy under one level of an option less that under another, paired by seed."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from prunebench.reports.analysis.crossed import Design
from prunebench.reports.statistics.intervals import t_interval

ALL = "all"  # in the column `criterion`: the mean over the criteria
EFFECTS = ["task", "metric", "keep", "choice", "level", "instead_of", "where", "criterion", "criteria", "n"]
COLUMNS = [*EFFECTS, "difference", "low", "high"]


def effects_table(designs: Sequence[Design]) -> pd.DataFrame:
    """One row per design, choice, level but its first, combination of the other choices, and criterion.

    difference: accuracy at `level` less that at `instead_of`, the first level, for the same criterion, seeds and
    further choices, which `where` names. low, high: of the 95 % t interval over the n seeds, paired. criterion: `all`
    for the mean over the criteria, whose number is `criteria`. These contrasts are outside every family of tests.
    """
    return pd.DataFrame([row for design in designs for row in _rows(design)], columns=COLUMNS)


def _rows(design: Design) -> Iterator[dict[str, Any]]:
    criteria, place = design.levels[0], {"task": design.task, "metric": design.metric, "keep": design.keep}
    for axis, choice in enumerate(design.factors[1:], 1):
        names, levels = _others(design.factors, axis), _others(design.levels, axis)
        first, *further = np.moveaxis(design.values, axis, 0)  # of each level: (criteria, other choices, seeds)
        for level, values in zip(design.levels[axis][1:], further, strict=True):
            told = {"choice": choice, "level": level, "instead_of": design.levels[axis][0]}
            for at in np.ndindex(*map(len, levels)):
                where = [f"{name} = {one[i]}" for name, one, i in zip(names, levels, at, strict=True)]
                row = {**place, **told, "where": "; ".join(where), "criteria": len(criteria)}
                changed = (values - first)[(slice(None), *at)]  # (criteria, seeds)
                for name, d in zip((ALL, *criteria), (changed.mean(axis=0), *changed), strict=True):
                    found = t_interval(d)
                    numbers = {"difference": found.mean, "low": found.low, "high": found.high}
                    yield {**row, "criterion": name, "n": found.n, **numbers}


def _others(parts: Sequence[Any], axis: int) -> list[Any]:
    """Leave out the criterion and one more factor."""
    return [part for number, part in enumerate(parts) if number not in (0, axis)]
