"""The strengths that `prunebench tune` chose, in the results folder: `strengths/KEY.json`, by task and criterion."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from prunebench.errors import UserError
from prunebench.plugins.expressions import TUNED, Method, parse_method, with_strength
from prunebench.plugins.identity import identity
from prunebench.plugins.registry import Registry
from prunebench.plugins.regulariser import Regulariser
from prunebench.records.names import Metric
from prunebench.records.tuning import read_tuning
from prunebench.study.stages import score_facts
from prunebench.study.swept import lacking, schedule_key
from prunebench.study.task import Task


def tuning_path(task: Task, criterion: str, registry: Registry, results: Path, metric: Metric) -> Path:
    """Where a criterion's tuning on a task lies: its key holds the method without its strength, and the schedule."""
    rule = strength_rule(parse_method(with_strength(criterion, registry, TUNED), registry))
    assert rule is not None
    method = parse_method(with_strength(criterion, registry, repr(rule.strength)), registry)
    facts = score_facts(method.score) | {name: identity(getattr(method, name)) for name in ("before", "after")}
    parts = {name: _without_strength(fact) for name, fact in facts.items()}
    key = schedule_key(task, metric, {"finetune_rate": task.protocol.finetune_rate, "method": parts})
    return results / "strengths" / f"{key}.json"


def strength_rule(method: Method) -> Regulariser | None:
    """Give the regulariser whose strength a method's name may set, with its default where that is to be tuned."""
    return method.before or method.after


def _without_strength(facts: Any) -> Any:
    """Set the strength of a regulariser to 0, in its own facts and in those of the criterion that brings it."""
    if not isinstance(facts, dict):
        return facts
    cleared = {name: _without_strength(fact) for name, fact in facts.items()}
    return cleared | ({"strength": 0.0} if "strength" in facts else {})


def resolve(name: str, task: Task, seed: int, results: Path, registry: Registry, metric: Metric) -> Method:
    """Read a criterion expression on a task: `strength=tuned` in it stands for what a tuning found.

    Raises `UserError` where none has been made, or the seed is one that it was made with.
    """
    method = parse_method(name, registry)
    if method.of is not None:
        return replace(method, of=resolve(method.of.name, task, seed, results, registry, metric))
    if not method.tuned:
        return method
    path_of = partial(tuning_path, task, name, registry)
    path, where = path_of(results, metric), f"{task.dataset_label} x {task.model.label}"
    if not path.exists():
        why = lacking(f"tuning of it on {where}", results, metric, path_of)
        raise UserError(f"'{name}': {why}; run `prunebench tune` with the same options first")
    found = read_tuning(path)
    if seed in found.seeds:
        raise UserError(f"'{name}': seed {seed} was used to tune it on {where}; results need other seeds")
    number = with_strength(name, registry, repr(found.strength))
    return replace(parse_method(number, registry), name=name, strength=found.strength)
