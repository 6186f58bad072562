"""Pareto fronts: which points nothing else beats in both accuracy and cost."""

import pandas as pd

from prunebench.reports.statistics.pareto import pareto_front

SIZES = {"keep_macs": "MACs", "keep_params": "parameters", "inverse_speed": "measured time"}
SIZES_OF_WEIGHTS = {"keep_weights": "weights"}  # single ones; they make a task of their own
COLUMNS = ["task", "cost", "ranking", "metric", "keep", "criterion", "kept", "accuracy", "on_front"]


def fronts_table(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per task, cost (MACs, parameters, measured time, or weights) and point, cheapest first; means over seeds.

    summary: as `summary.summary_table` makes it. kept: pruned / dense. on_front: no other point of the task, whatever
    its ranking or keep, is at least as accurate for the same cost or less. `dense_continued` and `scratch:X` are left
    out: the one is not pruned, the other is not this network. A front of means says nothing about chance.
    Unreliable times are left out.
    """
    if "keep_macs" not in summary:
        return pd.DataFrame(columns=COLUMNS)
    head = summary["criterion"].str.partition(":")[0]
    frame = summary[~head.isin(("dense_continued", "scratch"))]
    if "measured" in frame:
        sure = frame["measured"].astype(float).mask(frame["noisy"].eq(True))  # what an idle machine would have measured
        frame = frame.assign(inverse_speed=1 / sure)
    parts = [
        _front(part.dropna(subset=[size, "accuracy_finetuned"]), size)
        for _, part in frame.groupby("task", sort=False)
        for size in (SIZES_OF_WEIGHTS if part["metric"].iloc[0] == "weights" else SIZES)
        if size in frame
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)


def _front(part: pd.DataFrame, size: str) -> pd.DataFrame:
    kept, accuracy = part[size].to_numpy(float), part["accuracy_finetuned"].to_numpy(float)
    flags = pareto_front(kept, accuracy).tolist() if len(part) else list[bool]()
    marked = part.assign(cost=(SIZES | SIZES_OF_WEIGHTS)[size], kept=kept, accuracy=accuracy, on_front=flags)
    return marked.sort_values(["kept", "accuracy"], ascending=[True, False], kind="stable")
