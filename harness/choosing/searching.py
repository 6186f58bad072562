"""Runs the search for the smallest keep: trials on validation pictures, with the seeds of a race."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prunebench.choosing.race import APART, stage_seconds
from prunebench.choosing.search import KEEPS, Search, run_search, seeds_of
from prunebench.errors import UserError
from prunebench.records.budget import Budget
from prunebench.records.protocol import MOST_RUNGS
from prunebench.study.grid import Grid, Job, least_share, make_grid, make_trajectory, prepare_task
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec
from prunebench.study.store import Store
from prunebench.tuning.trials import run_trials


@dataclass(frozen=True)
class Searched:
    """A search that was run. dense: mean accuracy of its dense networks on validation pictures, a fraction.

    trials: number of points. seconds: of their stages. reasons: why criteria failed, by name.
    """

    search: Search
    dense: float
    trials: int
    seconds: float
    reasons: Mapping[str, str]


def at_keeps(spec: Spec, keeps: Sequence[float]) -> Spec:
    """Return a spec with other keeps of its metric."""
    return spec.model_copy(update={"keep": Budget(spec.keep.metric, tuple(keeps))})


def searched_keeps(spec: Spec) -> tuple[float, ...]:
    """Return the keeps of a search that the floors of the network and the ladder allow.

    Raises `UserError` where there is none.
    """
    least = least_share(prepare_task(spec, *spec.pairs[0]), spec.keep.metric)
    found = tuple(keep for keep in KEEPS if keep >= least and spec.rungs_above(keep) <= MOST_RUNGS)
    if not found:
        raise UserError(f"--floor {spec.floor:g}: no keep below 1 can be reached; give a lower --floor")
    return found


def run_trial_search(spec: Spec, field: Sequence[str], bound: float, progress: Progress) -> Searched:
    """Search the smallest keep on the one task of a spec. Finished trials are read from the results folder.

    Raises `UserError` where every criterion fails at the first keep.
    """
    grids: list[Grid] = []
    reasons: dict[str, str] = {}
    store = Store(spec.results)

    def measure(names: Sequence[str], keep: float, seeds: Sequence[int]) -> dict[str, list[float | None]]:
        wanted = {"criteria": tuple(names), "seeds": ",".join(map(str, seeds))}
        grids.append(make_grid(at_keeps(spec, (keep,)).model_copy(update=wanted)))
        (trials,) = run_trials(grids[-1:], progress, APART, more=True)
        for trial in trials:
            if trial.reason:
                reasons.setdefault(trial.job.criterion, trial.reason)
        found = {(trial.job.criterion, trial.job.seed): trial.validation for trial in trials}
        return {name: [found[name, seed] for seed in seeds] for name in names}

    with store.trying():  # every step goes on from the same dense networks
        search = run_search(field, searched_keeps(spec), bound, measure)
        if not search.steps[0].means:
            name, why = next(iter(reasons.items()))
            raise UserError(f"every criterion failed in the search, the first '{name}': {why}")
        dense = float(np.mean([*_dense(spec, field[0], len(field))]))
    store.forget_trials()
    trials = sum(len(grid.jobs) for grid in grids)
    return Searched(search, dense, trials, stage_seconds(*grids, trials=True), reasons)


def _dense(spec: Spec, criterion: str, criteria: int) -> Iterator[float]:
    """Yield the validation accuracy of the dense network of every seed of the first step."""
    for seed in seeds_of(criteria):
        trajectory = make_trajectory(spec, Store(spec.results), Job(*spec.pairs[0], criterion, seed))
        stage = trajectory.plan.dense().on_trial(APART)
        curve = trajectory.facts(stage).curve
        if not curve:  # written by a version that did not measure untrained networks
            raise UserError(f"stage {stage.key} holds no validation accuracy; give another --results")
        last = curve[-1].validation
        assert last is not None  # every stage ends with it
        yield last
