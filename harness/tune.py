"""Chooses the strength of regularisers: the best of five on validation pictures, for each criterion and task.

Its seeds are others than those of the evaluation, so no picture and no network that a strength was chosen with is
compared later. Every criterion gets the same number of trials.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import product

from tabulate import tabulate

from prunebench.errors import UserError
from prunebench.grid import Grid, make_grid, task
from prunebench.names import TUNED, Method, parse_method, parse_seeds, with_strength
from prunebench.progress import Progress
from prunebench.registry import Registry, registry
from prunebench.spec import Spec
from prunebench.store import Store
from prunebench.trials import Trial, best, first_reason, run_trials, shown, validation
from prunebench.tuned import Tuning, tuning_path

FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the strength given, or of the regulariser's default
FIRST_SEED = 1000


def tune(spec: Spec, progress: Progress) -> list[Tuning]:
    """Try five strengths of every criterion with a regulariser, and write the best for `strength=tuned`.

    The middle one is the strength given in a criterion's name, else its default. Seeds are 1000 plus those given.
    """
    if not spec.finetune_epochs:
        raise UserError("--finetune-epochs 0: without fine-tuning there is no accuracy to choose a strength by")
    known = registry(spec.plugin)
    if not spec.sparse_epochs and any(parse_method(text, known).before is not None for text in spec.criteria):
        raise UserError("--sparse-epochs 0: without sparse training a regulariser does nothing, whatever its strength")
    ranges = {name: _range(name, middle, known) for name, middle in _middles(spec, known).items()}
    texts = tuple(text for texts in ranges.values() for text in texts.values())
    seeds = ",".join(str(FIRST_SEED + seed) for seed in parse_seeds(spec.seeds))
    grid = make_grid(spec.model_copy(update={"criteria": texts, "seeds": seeds}))
    trials, seconds = run_trials([grid], progress, forget=("sparse", "rung", "point"))
    tasks = dict.fromkeys((job.dataset, job.model) for job in grid.jobs)
    store, tunings, failures = Store(spec.results), [], []
    for (dataset, model), (name, texts_of) in product(tasks, ranges.items()):
        ours = [trial for trial in trials if (trial.job.dataset, trial.job.model) == (dataset, model)]
        done = _chosen(name, texts_of, ours, grid, seconds / len(tasks) / len(ranges))
        if done is None:
            why = first_reason([trial for trial in ours if trial.job.criterion in texts_of.values()])
            failures.append(f"{dataset} x {model}, {name}: each strength failed at some point: {why}")
            continue
        path = tuning_path(task(spec, dataset, model), name, spec.results, known, grid.metric)
        store.write_json(path, done.model_dump(mode="json"))
        tunings.append(done)
    if failures:
        raise UserError("; ".join(failures))
    return tunings


def table(tunings: Sequence[Tuning]) -> str:
    """Print what was found: validation accuracy in % by strength, the best one marked; and what to do at an end."""
    rows, notes = [], []
    for one in tunings:
        cells = [f"{text} {shown(mean, float(text) == one.strength)}" for text, mean in one.validation.items()]
        rows.append([one.task, one.criterion, *cells])
        if one.at_an_end:
            again = one.criterion.replace(f"strength={TUNED}", f"strength={one.strength:g}")
            notes.append(f"{one.task}: the best strength is at the end of its range; to go on: --criteria {again}")
    head = ["task", "criterion", *(f"x {factor:g}" for factor in FACTORS)]
    return "\n".join([tabulate(rows, head, "simple", colalign=["left", "left", *["right"] * len(FACTORS)]), *notes])


def _middles(spec: Spec, known: Registry) -> dict[str, float]:
    """Give the criteria to tune, with `strength=tuned` in their names, and the middle of each one's range."""
    middles: dict[str, float] = {}
    for text in spec.criteria:
        method = parse_method(text, known)
        method = method.of or method
        middle = _strength(method)
        if middle is None:
            continue
        if not middle:
            raise UserError(f"'{text}': around a strength of 0 there is no range to try")
        name = parse_method(with_strength(method.name, known, TUNED), known).name
        if middles.setdefault(name, middle) != middle:
            raise UserError(f"'{name}' is to be tuned around {middles[name]:g} and around {middle:g}; give one of them")
    if not middles:
        having = ", ".join(n for n, e in sorted(known.criteria.items()) if e.record.regulariser is not None)
        what = "none of these criteria has a regulariser, there is no strength to tune"
        raise UserError(f"--criteria {' '.join(spec.criteria)}: {what}; with one: {having or 'none'}")
    return middles


def _strength(method: Method) -> float | None:
    rule = method.before or method.after
    return rule.strength if rule is not None else None


def _range(name: str, middle: float, known: Registry) -> dict[float, str]:
    """Give the strengths to try, each with the criterion that has it."""
    strengths = [float(f"{middle * factor:.6g}") for factor in FACTORS]
    return {x: parse_method(with_strength(name, known, repr(x)), known).name for x in strengths}


def _chosen(
    name: str, texts: Mapping[float, str], trials: Sequence[Trial], grid: Grid, seconds: float
) -> Tuning | None:
    """Choose the best strength on one task; nothing where all failed."""
    means = {x: validation([trial for trial in trials if trial.job.criterion == text]) for x, text in texts.items()}
    strength = best(means)
    if strength is None:
        return None
    equal = [x for x, mean in means.items() if mean == means[strength]]
    middle = sorted(texts)[len(texts) // 2]
    strength = min(equal, key=lambda x: (abs(math.log(x / middle)), x))  # what cannot be told apart says nothing
    seeds = parse_seeds(grid.spec.seeds)
    return Tuning(
        task=f"{trials[0].job.dataset} x {trials[0].job.model}",
        criterion=name,
        strength=strength,
        validation={f"{x:g}": mean for x, mean in means.items()},
        metric=grid.metric,
        keeps=grid.keeps,
        seeds=seeds,
        trials=len(texts) * len(seeds) * len(grid.keeps),
        seconds=seconds,
    )
