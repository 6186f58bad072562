"""Seconds of every stage, and how many points each run served: there is one dense training per block."""

import re
from collections import defaultdict

import pandas as pd

from prunebench.reports.results import Results

COLUMNS = ["task", "stage", "blocks", "runs", "points", "seconds", "mean_seconds"]


def stages_table(results: Results) -> pd.DataFrame:
    """One row per task and stage; numbered stages (`rung 3`) are counted together.

    blocks: seeds of the task. runs: how often the stage was computed. points: how often a run was used on the way to a
    point. seconds, mean_seconds: of the runs. A stage keeps the seconds of the run that computed it. So points that
    share a run have the same seconds (to 0.1 ms), which tells the runs apart.
    """
    runs: dict[tuple[str, str], dict[tuple[int, str, float], int]] = defaultdict(lambda: defaultdict(int))
    blocks: dict[str, set[int]] = defaultdict(set)
    for record in results.records:
        task, seed = results.tasks[record.key], record.cell.seed
        blocks[task].add(seed)
        for label, seconds in record.environment.seconds.items() if record.environment else ():
            stage = re.sub(r"\s+\d+$", "", label)
            runs[task, stage][seed, label, seconds] += 1
    rows = []
    for (task, stage), found in runs.items():
        total = sum(seconds for _, _, seconds in found)
        rows.append([task, stage, len(blocks[task]), len(found), sum(found.values()), total, total / len(found)])
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("task", kind="stable", ignore_index=True)
