"""Settings that `prunebench sweep` and `prunebench tune` chose, looked up in the results folder.

The rates lie in `rates/KEY.json`, one for each task; the strengths in `strengths/KEY.json`, one for each task and
criterion.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from prunebench.errors import UserError
from prunebench.plugins.expressions import TUNED, Method, parse_method, with_strength
from prunebench.plugins.identity import identity
from prunebench.plugins.registry import Registry
from prunebench.plugins.regulariser import Regulariser
from prunebench.records.names import Metric
from prunebench.records.tuning import Choice, read_choice
from prunebench.study.stages import StagePlan, score_facts
from prunebench.study.store import key_of
from prunebench.study.task import Task

_COMMANDS = {"rates": "sweep", "strengths": "tune"}


@dataclass(frozen=True, eq=False)
class Place:
    """Where a choice for a task lies. facts: what decides the choice beside the task and its schedule."""

    task: Task
    kind: Literal["rates", "strengths"]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def path(self, results: Path, metric: Metric) -> Path:
        """Name the file. Units share one choice, whatever the metric of their budget; single weights have another."""
        return results / self.kind / f"{_schedule_key(self.task, metric, self.facts)}.json"

    def read(self, results: Path, metric: Metric, option: str) -> Choice:
        """Read the choice. Raises `UserError` where none was made, with the command that makes it."""
        path = self.path(results, metric)
        if path.exists():
            return read_choice(path)
        command = _COMMANDS[self.kind]
        what = f"{command} of {self.task.dataset_label} x {self.task.model.label}"
        other: Metric = "macs" if metric == "weights" else "weights"
        why = f"{results} has no {what} with this schedule"
        if self.path(results, other).exists():
            made, needed = ("units", "single weights") if metric == "weights" else ("single weights", "units")
            why = f"the {what} in {results} is for {made}; this run prunes {needed}, which need a choice of their own"
        raise UserError(f"{option}: {why}; run `prunebench {command}` with the same options first")


def rate_place(task: Task) -> Place:
    """Say where the fine-tuning rate of a task lies."""
    return Place(task, "rates")


def strength_place(task: Task, criterion: str, registry: Registry) -> Place:
    """Say where the strength of a criterion on a task lies: the key holds the method without its strength."""
    rule = strength_rule(parse_method(with_strength(criterion, registry, TUNED), registry))
    assert rule is not None
    method = parse_method(with_strength(criterion, registry, repr(rule.strength)), registry)
    facts = score_facts(method.score) | {name: identity(getattr(method, name)) for name in ("before", "after")}
    parts = {name: _without_strength(fact) for name, fact in facts.items()}
    return Place(task, "strengths", {"finetune_rate": task.protocol.finetune_rate, "method": parts})


def strength_rule(method: Method) -> Regulariser | None:
    """Give the regulariser of a method; one whose strength is to be tuned has its default strength."""
    return method.before or method.after


def with_swept_rate(task: Task, results: Path, metric: Metric) -> Task:
    """Give a task the rate that a sweep chose. Raises `UserError` where no sweep was made."""
    found = rate_place(task).read(results, metric, "--finetune-rate swept")
    return replace(task, protocol=task.protocol.model_copy(update={"finetune_rate": found.value}))


def resolve(expression: str, task: Task, seed: int, *, results: Path, metric: Metric, registry: Registry) -> Method:
    """Read a criterion expression on a task: `strength=tuned` in it stands for what a tuning found.

    Raises `UserError` where no tuning was made, or where the tuning used the same seed.
    """
    method = parse_method(expression, registry)
    if method.of is not None:
        original = resolve(method.of.name, task, seed, results=results, metric=metric, registry=registry)
        return replace(method, of=original)
    if not method.tuned:
        return method
    found = strength_place(task, expression, registry).read(results, metric, f"'{expression}'")
    if seed in found.seeds:
        where = f"{task.dataset_label} x {task.model.label}"
        raise UserError(f"'{expression}': seed {seed} was used to tune it on {where}; results need other seeds")
    number = with_strength(expression, registry, repr(found.value))
    return replace(parse_method(number, registry), name=expression, strength=found.value)


def _schedule_key(task: Task, metric: Metric, more: Mapping[str, Any]) -> str:
    """Hash all that decides the training of a task, but neither seed nor device nor ranking, and some more facts."""
    protocol = task.protocol
    block = task.facts(0, torch.device("cpu"))
    names = ("sparse_epochs", "sparse_rate", "rung", "rung_epochs", "finetune_epochs", "restart")
    schedule = {name: getattr(protocol, name) for name in names}
    single = {"removed": "weights"} if metric == "weights" else {}
    return key_of(StagePlan(protocol, block, metric).dense().key, {**schedule, **single, **more})


def _without_strength(facts: Any) -> Any:
    """Set the strength of a regulariser to 0, in its own facts and in those of the criterion that brings it."""
    if not isinstance(facts, dict):
        return facts
    cleared = {name: _without_strength(fact) for name, fact in facts.items()}
    return cleared | ({"strength": 0.0} if "strength" in facts else {})
