"""The results of sweeps of the fine-tuning rate, in the results folder: `rates/KEY.json`, one for each task."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from prunebench.errors import UserError
from prunebench.records.files import read_json
from prunebench.records.names import Metric
from prunebench.records.record import Frozen, validated
from prunebench.study.stages import Plan
from prunebench.study.store import key_of
from prunebench.study.task import Task


class Sweep(Frozen):
    """What a sweep found. validation: mean accuracy by share of the dense peak, None where a point failed.

    share: the best one. keeps and seeds: those it was averaged over. seconds: of training behind the dense networks.
    """

    task: str
    share: float
    validation: dict[str, float | None]
    metric: str
    keeps: tuple[float, ...]
    seeds: tuple[int, ...]
    seconds: float


def sweep_path(task: Task, results: Path, metric: Metric) -> Path:
    """Where the sweep of a task lies. Units have one rate, whatever their budget is of; single weights have another."""
    return results / "rates" / f"{schedule_key(task, metric, {})}.json"


def schedule_key(task: Task, metric: Metric, more: Mapping[str, Any]) -> str:
    """Give a key of all that decides the training of a task, but neither seed nor ranking, and of some more facts."""
    protocol = task.protocol
    block = task.facts(0, torch.device("cpu"))  # whatever the run's seeds and device: one choice for all
    sparse = {name: getattr(protocol, name) for name in ("sparse_epochs", "sparse_rate")}
    after = {name: getattr(protocol, name) for name in ("rung", "rung_epochs", "finetune_epochs", "restart")}
    single = {"removed": "weights"} if metric == "weights" else {}
    return key_of(Plan(protocol, block, metric).dense().key, {**sparse, **after, **single, **more})


def lacking(what: str, results: Path, metric: Metric, path: Callable[[Path, Metric], Path]) -> str:
    """Say what a results folder lacks: a choice of this schedule, or one for what is removed."""
    other: Metric = "macs" if metric == "weights" else "weights"
    if not path(results, other).exists():
        return f"{results} has no {what} with this schedule"
    kinds = ("units", "single weights") if metric == "weights" else ("single weights", "units")
    return f"the {what} in {results} is for {kinds[0]} and this run prunes {kinds[1]}, which have one of their own"


def with_swept_rate(task: Task, results: Path, metric: Metric) -> Task:
    """Give a task the rate that a sweep chose. Raises `UserError` where none has been made."""
    path = sweep_path(task, results, metric)
    if not path.exists():
        why = lacking(f"sweep of {task.dataset_label} x {task.model.label}", results, metric, partial(sweep_path, task))
        raise UserError(f"--finetune-rate swept: {why}; run `prunebench sweep` with the same options first")
    found = validated(Sweep, read_json(path), str(path))
    return replace(task, protocol=task.protocol.model_copy(update={"finetune_rate": found.share}))
