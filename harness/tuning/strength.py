"""Chooses the strength of regularisers: the best of five on validation pictures, for each criterion and task.

Its seeds are others than those of the evaluation, so no picture and no network that a strength was chosen with is
compared later. Every criterion gets the same number of trials, and more where it goes on from an end of its range.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from tabulate import tabulate

from prunebench.errors import UserError
from prunebench.plugins.expressions import TUNED, parse_method, parse_seeds, with_strength
from prunebench.plugins.registry import Registry, registry
from prunebench.records.tuning import Tuning, read_tuning
from prunebench.study.grid import Grid, Job, make_grid, task
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec
from prunebench.study.store import Store
from prunebench.study.tuned import strength_rule, tuning_path
from prunebench.tuning.trials import Trial, best, first_reason, of, run_trials, seconds, shown, validation

FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the strength given, or of the regulariser's default
FIRST_SEED = 1000


@dataclass(frozen=True)
class _Search:
    """What is to be tuned: a criterion on a task. tries: the criterion at each strength; path: of the result."""

    dataset: str
    model: str
    criterion: str
    tries: Mapping[float, str]
    path: Path

    def __str__(self) -> str:
        return f"{self.dataset} x {self.model}, {self.criterion}"

    def jobs(self, seeds: Sequence[int]) -> list[Job]:
        """Give the trajectories to train."""
        return [Job(self.dataset, self.model, text, seed) for text in self.tries.values() for seed in seeds]

    def of(self, trials: Sequence[Trial]) -> dict[float, list[Trial]]:
        """Pick the trials of each strength."""
        here = {"dataset": self.dataset, "model": self.model}
        return {x: of(trials, **here, criterion=text) for x, text in self.tries.items()}


def tune(spec: Spec, progress: Progress) -> list[Tuning]:
    """Try five strengths of every criterion with a regulariser, and write the best for `strength=tuned`.

    The middle one is the strength given in a criterion's name, else its default. Those that an earlier tuning tried
    count, too: what is known of them is not done again. Seeds are 1000 plus those given.
    """
    if not spec.finetune_epochs:
        raise UserError("--finetune-epochs 0: without fine-tuning there is no accuracy to choose a strength by")
    known = registry(spec.plugin)
    if not spec.sparse_epochs and any(parse_method(text, known).before is not None for text in spec.criteria):
        raise UserError("--sparse-epochs 0: without sparse training a regulariser does nothing, whatever its strength")
    ranges = {name: _range(name, middle, known) for name, middle in _middles(spec, known).items()}
    texts = tuple(text for texts in ranges.values() for text in texts.values())
    seeds = tuple(FIRST_SEED + seed for seed in parse_seeds(spec.seeds))
    grid = make_grid(spec.model_copy(update={"criteria": texts, "seeds": ",".join(map(str, seeds))}))
    tasks = dict.fromkeys((job.dataset, job.model) for job in grid.jobs)
    searches = [_search(spec, names, name, tries, grid) for names, (name, tries) in product(tasks, ranges.items())]
    more = [job for search in searches for job in search.jobs(seeds)]
    grid = replace(grid, jobs=tuple(dict.fromkeys((*grid.jobs, *more))))
    (trials,) = run_trials([grid], progress, apart=("sparse", "rung", "point"))
    store, tunings, failures = Store(spec.results), [], []
    for search in searches:
        ours = search.of(trials)
        done = _chosen(search, ours, grid, seeds)
        if done is None:
            why = first_reason(trial for found in ours.values() for trial in found)
            failures.append(f"{search}: each strength failed at some point: {why}")
            continue
        store.write_json(search.path, done.model_dump(mode="json"))
        tunings.append(done)
    if failures:
        others = ", ".join(f"{one.task} {one.criterion} {one.strength:g}" for one in tunings)
        raise UserError("; ".join([*failures, *([f"written for the others: {others}"] if others else [])]))
    return tunings


def table(tunings: Sequence[Tuning]) -> str:
    """Print what was found: validation accuracy in % by strength, the best one marked; and what to do at an end."""
    rows, notes = [], ["*: the best"]
    if any(one.ineffective for one in tunings):
        notes.append("~: did nothing: the regulariser's term fell by less than 5 % in at least one trial")
    for one in tunings:
        cells = []
        for text, mean in one.validation.items():
            marks = "*" * (float(text) == one.strength) + "~" * (float(text) in one.ineffective)
            cells.append(f"{text} {shown(mean, marks)}")
        rows.append([one.task, one.criterion, one.trials, f"{one.seconds:.0f}", *cells])
        if one.at_an_end:
            again = one.criterion.replace(f"strength={TUNED}", f"strength={one.strength:g}")
            notes.append(f"{one.task}: the best strength is at the end of its range; to go on: --criteria {again}")
    head = ["task", "criterion", "trials", "seconds", "strength and validation accuracy in %"]
    head += [""] * (max(len(row) for row in rows) - len(head))
    alignment = ["left"] * 2 + ["right"] * 2 + ["left"] * (len(head) - 4)
    return "\n".join([tabulate(rows, head, "simple", colalign=alignment, disable_numparse=True), *notes])


def _middles(spec: Spec, known: Registry) -> dict[str, float]:
    """Give the criteria to tune, with `strength=tuned` in their names, and the middle of each one's range."""
    middles: dict[str, float] = {}
    for text in spec.criteria:
        method = parse_method(text, known)
        method = method.of or method
        rule = strength_rule(method)
        if rule is None:
            continue
        if not rule.strength:
            raise UserError(f"'{text}': around a strength of 0 there is no range to try")
        name = parse_method(with_strength(method.name, known, TUNED), known).name
        if middles.setdefault(name, rule.strength) != rule.strength:
            both = f"around {middles[name]:g} and around {rule.strength:g}"
            raise UserError(f"'{name}' is to be tuned {both}; give one of them")
    if not middles:
        having = ", ".join(n for n, e in sorted(known.criteria.items()) if e.record.regulariser is not None)
        what = "none of these criteria has a regulariser, there is no strength to tune"
        raise UserError(f"--criteria {' '.join(spec.criteria)}: {what}; with one: {having or 'none'}")
    return middles


def _range(name: str, middle: float, known: Registry) -> dict[float, str]:
    """Give the strengths to try, each with the criterion that has it."""
    return _tries(name, [float(f"{middle * factor:.6g}") for factor in FACTORS], known)


def _tries(name: str, strengths: Sequence[float], known: Registry) -> dict[float, str]:
    return {x: parse_method(with_strength(name, known, repr(x)), known).name for x in strengths}


def _search(spec: Spec, names: tuple[str, str], criterion: str, tries: Mapping[float, str], grid: Grid) -> _Search:
    """Plan a tuning of a criterion on a task, the strengths of an earlier one included."""
    known = registry(spec.plugin)
    path = tuning_path(task(spec, *names), criterion, known, spec.results, grid.metric)
    earlier = [float(text) for text in read_tuning(path).validation] if path.exists() else []
    united = dict(tries) | _tries(criterion, earlier, known)
    return _Search(*names, criterion, dict(sorted(united.items())), path)


def _chosen(
    search: _Search, trials: Mapping[float, Sequence[Trial]], grid: Grid, seeds: tuple[int, ...]
) -> Tuning | None:
    """Choose the best strength on one task; nothing where all failed."""
    means = {x: validation(ours) for x, ours in trials.items()}
    strength = best(means)
    if strength is None:
        return None
    equal = [x for x, mean in means.items() if mean == means[strength]]
    middle = list(means)[len(means) // 2]
    strength = min(equal, key=lambda x: (abs(math.log(x / middle)), x))  # what cannot be told apart says nothing
    return Tuning(
        task=f"{search.dataset} x {search.model}",
        criterion=search.criterion,
        strength=strength,
        validation={f"{x:g}": mean for x, mean in means.items()},
        metric=grid.metric,
        keeps=grid.keeps,
        seeds=seeds,
        trials=sum(map(len, trials.values())),
        seconds=seconds(trial for ours in trials.values() for trial in ours),
        ineffective=tuple(x for x, ours in trials.items() if any(trial.ineffective for trial in ours)),
    )
