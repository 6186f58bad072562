"""Runs the race: trials on validation pictures, with seeds of their own. No test picture is ever read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prunebench.choosing.rounds import Race, run_race
from prunebench.errors import UserError
from prunebench.records.stage import FACTS, read_stage_facts
from prunebench.reports.statistics.curves import area_under_curve
from prunebench.study.grid import Grid, Job, make_grid, make_trajectory
from prunebench.study.progress import Progress
from prunebench.study.spec import Spec
from prunebench.study.store import Store
from prunebench.tuning.trials import Trial, run_trials

APART = ("dense", "sparse", "rung", "point")  # a dense network of a run is measured on test pictures


@dataclass(frozen=True)
class Raced:
    """A race that was run. jobs: its trajectories. seconds: of their stages. reasons: why criteria failed, by name."""

    race: Race
    jobs: tuple[Job, ...]
    seconds: float
    reasons: Mapping[str, str]


def run_trial_race(spec: Spec, field: Sequence[str], progress: Progress, seeds: int | None = None) -> Raced:
    """Race a field of criteria on the one task of a spec. Finished trials are read from the results folder.

    seeds: of every round, see `run_race`. Raises `UserError` where every criterion fails.
    """
    jobs: list[Job] = []
    reasons: dict[str, str] = {}

    def measure(names: Sequence[str], more: Sequence[int]) -> dict[str, list[float | None]]:
        grid = make_grid(spec.model_copy(update={"criteria": tuple(names), "seeds": ",".join(map(str, more))}))
        jobs.extend(grid.jobs)
        (trials,) = run_trials([grid], progress, APART)
        for trial in trials:
            if trial.reason:
                reasons.setdefault(trial.job.criterion, trial.reason)
        return {name: [_value(trials, name, seed, spec) for seed in more] for name in names}

    race = run_race(field, measure, seeds)
    if not race.finalists:
        name, why = next(iter(reasons.items()))
        raise UserError(f"every criterion failed in the race, the first '{name}': {why}")
    return Raced(race, tuple(jobs), stage_seconds(Grid(spec, tuple(jobs)), trials=True), reasons)


def race_value(keeps: Sequence[float], accuracies: Sequence[float]) -> float:
    """Join the accuracies of one trajectory: the one accuracy, or the area over the logarithm of the keeps.

    >>> race_value([0.5], [0.8]), round(race_value([0.5, 0.25], [0.8, 0.6]), 6)
    (0.8, 0.7)
    """
    return accuracies[0] if len(keeps) == 1 else area_under_curve(keeps, accuracies, min(keeps), max(keeps))


def stage_seconds(*grids: Grid, trials: bool = False) -> float:
    """Sum the seconds of all finished stages of some grids; a shared stage counts once."""
    found = dict[str, float]()
    for grid in grids:
        store = Store(grid.spec.results)
        for job in grid.jobs:
            trajectory = make_trajectory(grid.spec, store, job)
            for fraction in grid.spec.keep.fractions:
                point = trajectory.plan.point(trajectory.method, fraction)
                for stage in (point.on_trial(APART) if trials else point).origins():
                    folder = store.stage(stage.key)
                    if stage.key not in found and (folder / FACTS).exists():
                        found[stage.key] = read_stage_facts(folder).seconds
    return sum(found.values())


def _value(trials: Sequence[Trial], criterion: str, seed: int, spec: Spec) -> float | None:
    """Return the value of one trajectory; None where a keep failed."""
    ours = {one.keep: one.validation for one in trials if (one.job.criterion, one.job.seed) == (criterion, seed)}
    found = [ours[str(keep)] for keep in spec.keep.keeps]
    known = [accuracy for accuracy in found if accuracy is not None]
    return race_value(spec.keep.fractions, known) if len(known) == len(found) else None
