"""Pareto fronts: the points that no other beats in both accuracy and cost."""

import pandas as pd

from prunebench.reports.ordering import is_control
from prunebench.reports.statistics.pareto import pareto_front

COSTS = {"keep_macs": "MACs", "keep_params": "parameters"}
COSTS_OF_SINGLE_WEIGHTS = {"keep_weights": "weights"}  # single weights are a task of their own
COLUMNS = ["task", "cost", "ranking", "metric", "keep", "criterion", "kept", "accuracy", "on_front"]


def fronts_table(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per task, cost (MACs, parameters, or weights) and point, cheapest first; means over seeds.

    summary: as `summary_table`. kept: pruned / dense. on_front: no other point of the task, of any ranking and keep, is
    at least as accurate for the same cost or less. Controls are left out. A front of means says nothing about chance.
    """
    if "keep_macs" not in summary:
        return pd.DataFrame(columns=COLUMNS)
    frame = summary[~summary["criterion"].map(is_control).astype(bool)]
    fronts = [
        _front(part.dropna(subset=[column, "accuracy_finetuned"]), column, cost)
        for _, part in frame.groupby("task", sort=False)
        for column, cost in (COSTS_OF_SINGLE_WEIGHTS if part["metric"].iloc[0] == "weights" else COSTS).items()
        if column in frame
    ]
    return pd.concat(fronts, ignore_index=True)[COLUMNS] if fronts else pd.DataFrame(columns=COLUMNS)


def _front(part: pd.DataFrame, column: str, cost: str) -> pd.DataFrame:
    kept, accuracy = part[column].to_numpy(float), part["accuracy_finetuned"].to_numpy(float)
    flags = pareto_front(kept, accuracy).tolist() if len(part) else list[bool]()
    marked = part.assign(cost=cost, kept=kept, accuracy=accuracy, on_front=flags)
    return marked.sort_values(["kept", "accuracy"], ascending=[True, False], kind="stable")
