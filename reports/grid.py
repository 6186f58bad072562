"""The grid of a comparison: which names are controls, in which order rows come, which cells are missing."""

from collections.abc import Iterable

import pandas as pd

from prunebench import reserved

GROUP = ["task", "ranking", "metric", "keep", "criterion"]
BASELINE = "magnitude"
RANKINGS = ("local", "per-cost", "per-memory", "global", "published")
METRICS: dict[object, str] = {"macs": "MACs", "params": "parameters", "units": "units", "weights": "weights"}
CONTROLS = ("random", *reserved.CONTROLS)


def compared_by(metric: str) -> str:
    """Name the cost that points of a budget are compared at: MACs, but single weights leave those as they are.

    >>> compared_by("params"), compared_by("weights")
    ('macs', 'weights')
    """
    return "weights" if metric == "weights" else "macs"


def is_control(criterion: str) -> bool:
    """Tell a control from a method.

    >>> is_control("shuffle:taylor"), is_control("taylor")
    (True, False)
    """
    return criterion.partition(":")[0] in CONTROLS


def order(criterion: str) -> tuple[int, str]:
    """Sort key: the baseline, then methods by name, then controls. Results do not decide the order.

    >>> sorted(["random", "taylor", "magnitude", "l1"], key=order)
    ['magnitude', 'l1', 'taylor', 'random']
    """
    if is_control(criterion):
        return 2 + CONTROLS.index(criterion.partition(":")[0]), criterion
    return int(criterion != BASELINE), criterion


def missing_cells(frame: pd.DataFrame) -> list[tuple[str, str, str, float, str, tuple[int, ...]]]:
    """List the seeds that a (task, ranking, metric, keep, criterion) lacks although others of the grid have them.

    frame: one row per record or failure, with the columns of `GROUP` and `seed`. Keeps and seeds that any criterion
    of the same task, ranking and metric has are expected of all.
    """
    missing = []
    for (task, ranking, metric), part in frame.groupby(["task", "ranking", "metric"], sort=False):
        have = set(zip(part["criterion"], part["keep"], part["seed"], strict=True))
        for criterion in _unique(part["criterion"]):
            for keep in _unique(part["keep"]):
                lacking = tuple(s for s in sorted(set(part["seed"])) if (criterion, keep, s) not in have)
                if lacking:
                    missing.append((str(task), str(ranking), str(metric), float(str(keep)), str(criterion), lacking))
    return missing


def _unique(values: Iterable[object]) -> list[object]:
    return list(dict.fromkeys(values))
