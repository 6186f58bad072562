"""Looks up the settings that `prunebench sweep` and `prunebench tune` chose.

The results folder holds the rate of each task in `choices/rate-KEY.json`. It holds the strength of each task and
criterion in `choices/strength-KEY.json`.
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
from prunebench.records.tuning import CHOICES, Choice, read_choice
from prunebench.study.stages import StagePlan, score_facts
from prunebench.study.store import key_of
from prunebench.study.task import Task

_COMMANDS = {"rate": "sweep", "strength": "tune"}


@dataclass(frozen=True, eq=False)
class ChoiceFile:
    """The file of a task's choice in a results folder. facts: what decides the choice besides task and schedule."""

    task: Task
    kind: Literal["rate", "strength"]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def path(self, results: Path, metric: Metric) -> Path:
        """Path of the file. Whole units, whole blocks and single weights have a choice each, whatever the budget."""
        return results / CHOICES / f"{self.kind}-{_schedule_key(self.task, metric, self.facts)}.json"

    def read(self, results: Path, metric: Metric, option: str) -> Choice:
        """Read the choice. Where there is none, raises a `UserError` with the command that makes the choice."""
        path = self.path(results, metric)
        if path.exists():
            return read_choice(path)
        command = _COMMANDS[self.kind]
        what = f"result of `prunebench {command}` for {self.task.dataset_label} x {self.task.model.label}"
        other: Metric = "macs" if metric == "weights" else "weights"
        why = f"{results} has no {what} with this schedule"
        if self.path(results, other).exists():
            made, needed = ("units", "single weights") if metric == "weights" else ("single weights", "units")
            why = f"the {what} in {results} is for {made}, but this run prunes {needed}"
        raise UserError(f"{option}: {why}; run `prunebench {command}` with the same options first")


def rate_file(task: Task) -> ChoiceFile:
    """Return the file of a task's fine-tuning rate."""
    return ChoiceFile(task, "rate")


def strength_file(task: Task, criterion: str, registry: Registry) -> ChoiceFile:
    """Return the file of a criterion's strength on a task; the key holds the method without its strength."""
    rule = strength_rule(parse_method(with_strength(criterion, registry, TUNED), registry))
    assert rule is not None
    method = parse_method(with_strength(criterion, registry, repr(rule.strength)), registry)
    facts = score_facts(method.score) | {name: identity(getattr(method, name)) for name in ("before", "after")}
    parts = {name: _without_strength(fact) for name, fact in facts.items()}
    return ChoiceFile(task, "strength", {"finetune_rate": task.protocol.finetune_rate, "method": parts})


def strength_rule(method: Method) -> Regulariser | None:
    """Return the regulariser of a method; under `strength=tuned` it has its default strength."""
    return method.before or method.after


def with_swept_rate(task: Task, results: Path, metric: Metric) -> Task:
    """Set a task's fine-tuning rate to the choice of a sweep. Raises `UserError` where there is none."""
    choice = rate_file(task).read(results, metric, "--finetune-rate swept")
    return replace(task, protocol=task.protocol.model_copy(update={"finetune_rate": choice.value}))


def resolve(expression: str, task: Task, seed: int, *, results: Path, metric: Metric, registry: Registry) -> Method:
    """Parse a criterion expression for a task; `strength=tuned` becomes the strength that a tuning chose.

    Raises `UserError` where there is no tuning, or where the tuning used the same seed.
    """
    method = parse_method(expression, registry)
    if method.of is not None:
        original = resolve(method.of.name, task, seed, results=results, metric=metric, registry=registry)
        return replace(method, of=original)
    if not method.tuned:
        return method
    choice = strength_file(task, expression, registry).read(results, metric, f"'{expression}'")
    if seed in choice.seeds:
        where = f"{task.dataset_label} x {task.model.label}"
        raise UserError(f"'{expression}': the tuning on {where} used seed {seed}; give other --seeds")
    number = with_strength(expression, registry, repr(choice.value))
    return replace(parse_method(number, registry), name=expression, strength=choice.value)


def _schedule_key(task: Task, metric: Metric, more: Mapping[str, Any]) -> str:
    """Hash what decides a task's training, except seed, device, threads and ranking, together with `more`."""
    protocol = task.protocol
    block = task.facts(0, torch.device("cpu"), 1)
    names = ("sparse_epochs", "sparse_rate", "rung", "rung_step", "rung_epochs", "finetune_epochs", "restart", "repair")
    schedule = protocol.facts(*names)
    if metric == "weights" or protocol.units == "blocks":
        schedule["removed"] = "weights" if metric == "weights" else protocol.units
    return key_of(StagePlan(protocol, block, metric).dense().key, {**schedule, **more})


def _without_strength(facts: Any) -> Any:
    """Set every strength in the facts to 0: the regulariser's own, and the one in a criterion's facts."""
    if not isinstance(facts, dict):
        return facts
    cleared = {name: _without_strength(fact) for name, fact in facts.items()}
    return cleared | ({"strength": 0.0} if "strength" in facts else {})
