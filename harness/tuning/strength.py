"""Chooses the strength of regularisers: the best of five on validation pictures, for each criterion and task.

Tuning uses seeds of its own and no test pictures, so nothing that is compared later decides a strength. Every criterion
gets the same number of trials. A criterion gets more where a later tuning extends its range.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from tabulate import tabulate

from prunebench.errors import UserError
from prunebench.plugins.expressions import TUNED, parse_method, with_strength
from prunebench.plugins.registry import Registry, load_registry
from prunebench.preview.dry_run import Preview, preview as preview_grids
from prunebench.records.requested import parse_seeds
from prunebench.records.sparse import UNCHANGED
from prunebench.records.tuning import Choice, read_choice
from prunebench.seeding import RACE_SEEDS, TUNING_SEEDS
from prunebench.study.choices import strength_file, strength_rule
from prunebench.study.grid import Grid, Job, make_grid, prepare_task
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec
from prunebench.tuning.choose import Search, choose, marked_percent
from prunebench.tuning.trials import run_trials, trials_of

FACTORS = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the strength in the criterion's name, else of the regulariser's default
APART = ("sparse", "rung", "point")  # kinds of stages that trials do not share with runs


def tune(spec: Spec, progress: Progress) -> list[Choice]:
    """Try five strengths of every criterion with a regulariser; write the best for `strength=tuned`.

    The middle of the five is the strength in a criterion's name, else its default. Strengths of an earlier tuning join
    the comparison, and their finished trials are not repeated. Seeds are 1000 plus the given seeds.
    """
    grid, tries = _trials(spec)
    (trials,) = run_trials([grid], progress, apart=APART)
    found = {
        search: {
            strength: trials_of(trials, dataset=search.dataset, model=search.model, criterion=text)
            for strength, text in strengths.items()
        }
        for search, strengths in tries.items()
    }
    return choose(found, grid, prefer=_distance_from_the_middle)


def preview(spec: Spec) -> Preview:
    """List the trials of a tuning and their estimated cost."""
    return preview_grids(_trials(spec)[0], apart=APART)


def _trials(spec: Spec) -> tuple[Grid, dict[Search, dict[float, str]]]:
    """Return the grid of all trials, and the strengths of each search with the criterion that has it."""
    if not spec.finetune_epochs:
        raise UserError("--finetune-epochs 0: without fine-tuning no strength can be chosen; give 1 or more")
    known = load_registry(spec.plugin)
    if not spec.sparse_epochs and any(parse_method(text, known).before is not None for text in spec.criteria):
        raise UserError("--sparse-epochs 0: without sparse training no regulariser has an effect; give 1 or more")
    ranges = {name: _range(name, middle, known) for name, middle in _middles(spec, known).items()}
    texts = tuple(text for texts in ranges.values() for text in texts.values())
    seeds = _seeds(spec)
    grid = make_grid(spec.model_copy(update={"criteria": texts, "seeds": ",".join(map(str, seeds))}))
    tasks = dict.fromkeys((job.dataset, job.model) for job in grid.jobs)
    tries: dict[Search, dict[float, str]] = {}
    for (dataset, model), (name, strengths) in product(tasks, ranges.items()):
        search = _search(spec, dataset, model, name)
        tries[search] = dict(sorted((strengths | _earlier(search, known)).items()))
    more = [
        Job(search.dataset, search.model, text, seed)
        for search, strengths in tries.items()
        for text in strengths.values()
        for seed in seeds
    ]
    return replace(grid, jobs=tuple(dict.fromkeys((*grid.jobs, *more)))), tries


def _seeds(spec: Spec) -> tuple[int, ...]:
    """Move the given seeds to those of tunings. Raises `UserError` where they would be those of a race."""
    given, most = parse_seeds(spec.seeds), RACE_SEEDS - TUNING_SEEDS
    if max(given) >= most:
        what = f"a tuning adds {TUNING_SEEDS}, and seeds from {RACE_SEEDS} on belong to the race of `choose`"
        raise UserError(f"--seeds {spec.seeds}: {what}; give seeds below {most}")
    return tuple(TUNING_SEEDS + seed for seed in given)


def table(choices: Sequence[Choice]) -> str:
    """Format the choices: validation accuracy in % by strength, marks, and what to do at an end of a range."""
    rows, notes = [], ["*: the best"]
    if any(one.ineffective for one in choices):
        notes.append(f"~: in at least one trial, {UNCHANGED}")
    if any(overlap is not None for one in choices for overlap in one.overlap.values()):
        notes.append("in brackets: % of the removed units that training without the regulariser would remove, too")
    for one in choices:
        cells = []
        for text, mean in one.validation.items():
            marks = "*" * (float(text) == one.value) + "~" * (float(text) in one.ineffective)
            overlap = one.overlap.get(text)
            cells.append(
                f"{text} {marked_percent(mean, marks)}" + ("" if overlap is None else f" [{100 * overlap:.0f}]")
            )
        rows.append([one.task, one.criterion, one.trials, f"{one.seconds:.0f}", *cells])
        if one.at_an_end:
            again = one.criterion.replace(f"strength={TUNED}", f"strength={one.value:g}")
            what = "the best strength is at an end of its range; to extend the range, tune again with"
            notes.append(f"{one.task}: {what} --criteria {again}")
    head = ["task", "criterion", "trials", "seconds", "strength and validation accuracy in %"]
    head += [""] * (max(len(row) for row in rows) - len(head))
    alignment = ["left"] * 2 + ["right"] * 2 + ["left"] * (len(head) - 4)
    return "\n".join([tabulate(rows, head, "simple", colalign=alignment, disable_numparse=True), *notes])


def _middles(spec: Spec, known: Registry) -> dict[str, float]:
    """Return the middle strength of each criterion to tune, by its name with `strength=tuned`."""
    middles: dict[str, float] = {}
    for text in spec.criteria:
        method = parse_method(text, known)
        method = method.of or method
        rule = strength_rule(method)
        if rule is None:
            continue
        if not rule.strength:
            raise UserError(f"'{text}': no range lies around a strength of 0; give a positive strength")
        name = parse_method(with_strength(method.name, known, TUNED), known).name
        if middles.setdefault(name, rule.strength) != rule.strength:
            both = f"around {middles[name]:g} and around {rule.strength:g}"
            raise UserError(f"'{name}' would be tuned {both}; give one strength")
    if not middles:
        having = ", ".join(n for n, e in sorted(known.criteria.items()) if e.plugin.regulariser is not None)
        what = "none of these criteria has a regulariser to tune"
        raise UserError(f"--criteria {' '.join(spec.criteria)}: {what}; give some of: {having or 'none'}")
    return middles


def _range(name: str, middle: float, known: Registry) -> dict[float, str]:
    return _tries(name, [float(f"{middle * factor:.6g}") for factor in FACTORS], known)


def _tries(name: str, strengths: Sequence[float], known: Registry) -> dict[float, str]:
    return {x: parse_method(with_strength(name, known, repr(x)), known).name for x in strengths}


def _search(spec: Spec, dataset: str, model: str, criterion: str) -> Search:
    file = strength_file(prepare_task(spec, dataset, model), criterion, load_registry(spec.plugin))
    return Search(dataset, model, criterion, file.path(spec.results, spec.keep.metric))


def _earlier(search: Search, known: Registry) -> dict[float, str]:
    if not search.path.exists():
        return {}
    return _tries(search.criterion, [float(text) for text in read_choice(search.path).validation], known)


def _distance_from_the_middle(strength: float, tried: Sequence[float]) -> tuple[float, float]:
    """Sort key: among strengths of equal accuracy, prefer the one nearest to the middle of the range."""
    middle = tried[len(tried) // 2]
    return abs(math.log(strength / middle)), strength
