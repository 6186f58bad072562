"""Runs trials, which choose a setting by the accuracy on validation pictures.

Trials write no records. They share the dense networks of runs, and never read test pictures after the dense stage.
The facts of a trial's stages stay in the store, so a finished trial is not repeated.
"""

import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from prunebench.errors import UserError, reason
from prunebench.records.budget import Keep
from prunebench.records.sparse import did_nothing
from prunebench.study.grid import Grid, Job, Work, make_trajectory
from prunebench.study.progress import Progress
from prunebench.study.run import note_command, start, work_off
from prunebench.study.spec import Spec
from prunebench.study.stages import Stage
from prunebench.study.store import Store
from prunebench.study.trajectory import Trajectory

log = logging.getLogger("prunebench")


@dataclass(frozen=True)
class Trial:
    """Result of one job at one keep.

    validation: accuracy at the end of fine-tuning; None where the trial failed. reason: why the trial failed.
    seconds: by key of each stage after the dense one, also where another trial computed the stage.
    overlap: share of the removed units that plain training would remove, too; None where unknown. ineffective: the
    strength did nothing, see `prunebench.records.sparse.did_nothing`.
    """

    job: Job
    keep: str
    validation: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    ineffective: bool = False
    overlap: float | None = None
    reason: str = ""

    @property
    def status(self) -> str:
        """Return `ok` or `failed`."""
        return "failed" if self.validation is None else "ok"

    def summary(self) -> str:
        """Summarise the result in a few words."""
        if self.validation is None:
            return f"{self.keep} FAILED: {self.reason}"
        return f"{self.keep} {100 * self.validation:.2f} % of the validation pictures"


def run_trials(
    grids: Sequence[Grid], progress: Progress, apart: Container[str], more: bool = False
) -> list[list[Trial]]:
    """Run the trials of several grids of one results folder. Returns the trials of each grid.

    apart: kinds of stages that trials do not share with runs. Their networks are deleted after the last trial. more:
    whether trials at other keeps follow, which need the networks of sparse training again.
    """
    progress.begin(sum(len(grid.jobs) for grid in grids))
    store = Store(grids[0].spec.results)
    store.forget_leftovers()
    note_command(store, grids[0].spec)
    with store.trying():
        work = Work(partial(run_trial_job, apart=apart), partial(_stages, apart=apart))
        found = [[one for _, trials in work_off(grid, progress, work) for one in trials] for grid in grids]
        for grid in () if more else grids:
            for job in grid.jobs:
                _forget(make_trajectory(grid.spec, store, job), grid.spec, apart)
    store.forget_trials()
    return found


def run_trial_job(spec: Spec, job: Job, progress: Progress | None = None, *, apart: Container[str] = ()) -> list[Trial]:
    """Run the trials of a job, then delete the networks of its rungs and points, which no other job needs."""
    trajectory = start(spec, job, progress)
    found = [_trial(trajectory, job, keep, apart) for keep in spec.keep.keeps]
    _forget(trajectory, spec, apart, kinds=("rung", "point"))
    return found


def _stages(spec: Spec, job: Job, *, apart: Container[str]) -> list[Stage]:
    trajectory = make_trajectory(spec, Store(spec.results), job)
    points = (trajectory.plan.point(trajectory.method, keep).on_trial(apart) for keep in spec.keep.fractions)
    return [stage for point in points for stage in point.origins()]


def _trial(trajectory: Trajectory, job: Job, keep: Keep, apart: Container[str]) -> Trial:
    _, *stages, point = _chain(trajectory, keep.fraction, apart)
    try:
        last = trajectory.facts(point)
        facts = {stage.key: trajectory.facts(stage) for stage in stages} | {point.key: last}
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # an error in a plugin fails this trial alone
        log.debug("traceback of the failed trial", exc_info=True)
        return Trial(job, str(keep), reason=reason(error))
    if not last.curve:  # written by a version that did not measure untrained networks
        return Trial(job, str(keep), reason=f"stage {point.key} holds no validation accuracy; give another --results")
    sparse = next((one.sparse for one in reversed(facts.values()) if one.sparse), None)
    return Trial(
        job,
        str(keep),
        validation=last.curve[-1].validation,
        seconds={key: one.seconds for key, one in facts.items()},
        ineffective=did_nothing(sparse, last.change),
        overlap=last.change.overlap if last.change else None,
    )


def _chain(trajectory: Trajectory, fraction: float, apart: Container[str]) -> list[Stage]:
    return trajectory.plan.point(trajectory.method, fraction).on_trial(apart).chain()


def _forget(
    trajectory: Trajectory, spec: Spec, apart: Container[str], kinds: Container[str] = ("sparse", "rung", "point")
) -> None:
    """Delete the networks of these kinds of stages, where only trials use them."""
    for fraction in spec.keep.fractions:
        point = trajectory.plan.point(trajectory.method, fraction).on_trial(apart)
        for stage in point.origins():
            if stage.trial and stage.kind in kinds:
                trajectory.store.drop_stage(stage.key)


def trials_of(trials: Iterable[Trial], **job: str) -> list[Trial]:
    """Return the trials of jobs with this dataset, model or criterion."""
    return [trial for trial in trials if all(getattr(trial.job, name) == text for name, text in job.items())]
