"""Agreement of the criteria's scores with each other."""

from itertools import combinations

import numpy as np
import pandas as pd

from prunebench.records.fidelity import Fidelity
from prunebench.reports.analysis.fidelity import large_groups
from prunebench.reports.ordering import table_order
from prunebench.reports.results import Results
from prunebench.reports.statistics.agreement import rank_agreement
from prunebench.reports.tables.records import mean_and_half

COLUMNS = ["task", "criterion", "other", "n", "spearman", "spearman_half"]


def score_matrix_table(results: Results) -> pd.DataFrame:
    """One row per task and pair of criteria: Spearman's rho of their scores, mean over layers, then over seeds.

    Layers in which either score is constant are left out, and seeds without any other layer.
    """
    blocks: dict[tuple[str, int], list[Fidelity]] = {}
    for one in sorted(results.fidelity, key=lambda one: table_order(one.cell.criterion)):
        blocks.setdefault((results.fidelity_tasks[one.key], one.cell.seed), []).append(one)
    values: dict[tuple[str, str, str], list[float]] = {}
    for (task, _), block in blocks.items():
        for one, other in combinations(block, 2):
            names = (task, one.cell.criterion, other.cell.criterion)
            values.setdefault(names, []).extend(_mean_spearman(one, other))
    rows = []
    for (task, name, other_name), rhos in values.items():
        known = mean_and_half("spearman", rhos) if rhos else {}
        rows.append({"task": task, "criterion": name, "other": other_name, "n": len(rhos), **known})
    return pd.DataFrame(rows, columns=COLUMNS)


def _mean_spearman(one: Fidelity, other: Fidelity) -> list[float]:
    """Give Spearman's rho of two criteria of a block, mean over layers; an empty list where no layer has both."""
    shared = [
        name
        for name in large_groups(one)
        if name in other.groups and one.groups[name].units == other.groups[name].units
    ]
    pairs = [rank_agreement(one.scores(name), other.scores(name)) for name in shared]
    known = [pair.spearman for pair in pairs if pair is not None]
    return [float(np.mean(known))] if known else []
