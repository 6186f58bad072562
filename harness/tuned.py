"""The strengths that `prunebench tune` chose, in the results folder: `strengths/KEY.json`, by task and criterion."""

from dataclasses import replace
from pathlib import Path

from prunebench.errors import UserError
from prunebench.identity import identity
from prunebench.names import Method, Metric, parse_method, with_strength
from prunebench.record import Frozen, validated
from prunebench.registry import Registry
from prunebench.stages import score_facts
from prunebench.store_files import read_json
from prunebench.swept import schedule_key
from prunebench.task import Task


class Tuning(Frozen):
    """What a tuning found. validation: mean accuracy by strength, None where a point failed.

    strength: the best one. keeps and seeds: those it was averaged over. trials: points that were trained.
    """

    task: str
    criterion: str
    strength: float
    validation: dict[str, float | None]
    metric: str
    keeps: tuple[float, ...]
    seeds: tuple[int, ...]
    trials: int
    seconds: float

    @property
    def at_an_end(self) -> bool:
        """Tell whether the best strength is the lowest or the highest one tried."""
        tried = [float(text) for text in self.validation]
        return self.strength in (min(tried), max(tried))


def tuning_path(task: Task, criterion: str, results: Path, registry: Registry, metric: Metric) -> Path:
    """Where a criterion's tuning on a task lies: its key holds the method without its strength, and the schedule."""
    method = parse_method(with_strength(criterion, registry, "0"), registry)
    parts = score_facts(method.score) | {name: identity(getattr(method, name)) for name in ("before", "after")}
    key = schedule_key(task, metric, {"finetune_rate": task.protocol.finetune_rate, "method": parts})
    return results / "strengths" / f"{key}.json"


def resolve(name: str, task: Task, seed: int, results: Path, registry: Registry, metric: Metric) -> Method:
    """Read a criterion expression on a task: `strength=tuned` in it stands for what a tuning found.

    Raises `UserError` where none has been made, or the seed is one that it was made with.
    """
    method = parse_method(name, registry)
    if method.of is not None:
        return replace(method, of=resolve(method.of.name, task, seed, results, registry, metric))
    if not method.tuned:
        return method
    path = tuning_path(task, name, results, registry, metric)
    where = f"{task.dataset_label} x {task.model.label}"
    if not path.exists():
        what = f"{results} has no tuning of it on {where} with this schedule"
        raise UserError(f"'{name}': {what}; run `prunebench tune` with the same options first")
    found = validated(Tuning, read_json(path), str(path))
    if seed in found.seeds:
        raise UserError(f"'{name}': seed {seed} was used to tune it on {where}; results need other seeds")
    number = with_strength(name, registry, repr(found.strength))
    return replace(parse_method(number, registry), name=name, strength=found.strength)
