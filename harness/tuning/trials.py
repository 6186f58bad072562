"""Runs that choose a setting by the accuracy on validation pictures.

They write no records. Test pictures have no part in it: behind the dense networks, which are those of a run, nothing
is measured on them. What a finished trial said stays in the facts of its stages, so that it is not done twice.
"""

import logging
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from prunebench.errors import UserError, reason
from prunebench.records.names import Metric
from prunebench.study.grid import Grid, Job, trajectory
from prunebench.study.progress import Progress
from prunebench.study.run import start, work_off
from prunebench.study.spec import Spec
from prunebench.study.stages import Stage
from prunebench.study.store import Store
from prunebench.study.trajectory import Trajectory

log = logging.getLogger("prunebench")


@dataclass(frozen=True)
class Trial:
    """What came out of one job at one keep.

    validation: accuracy at the end of fine-tuning, None where the trial failed; `reason` says why.
    seconds: by stage behind the dense network, whoever trained it.
    ineffective: the regulariser's term fell by less than 5 %: its strength did nothing.
    """

    job: Job
    keep: str
    validation: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    ineffective: bool = False
    reason: str = ""

    @property
    def status(self) -> str:
        """Say `ok` or `failed`."""
        return "failed" if self.validation is None else "ok"

    def told(self) -> str:
        """Say in a few words what came out."""
        if self.validation is None:
            return f"{self.keep} FAILED: {self.reason}"
        return f"{self.keep} {100 * self.validation:.2f} % of the validation pictures"


def run_trials(grids: Sequence[Grid], progress: Progress, apart: Container[str]) -> list[list[Trial]]:
    """Run some grids of one results folder; gives what came out of each.

    apart: kinds of stages that no run shares with a trial. Their networks are forgotten when all is done.
    """
    progress.begin(sum(len(grid.jobs) for grid in grids))
    store = Store(grids[0].spec.results)
    with store.trying():
        work = partial(measure, apart=apart)
        found = [[one for _, trials in work_off(grid, progress, work) for one in trials] for grid in grids]
        for grid in grids:
            for job in grid.jobs:
                path = trajectory(grid.spec, store, job, grid.metric)
                _forget(path, [stage for keep in grid.keeps for stage in _chain(path, keep, apart)])
    store.forget_trials()
    return found


def measure(
    spec: Spec,
    job: Job,
    metric: Metric,
    keeps: tuple[float, ...],
    progress: Progress | None = None,
    apart: Container[str] = (),
) -> list[Trial]:
    """Do the trials of a job; rungs and points are of no use to another one."""
    path = start(spec, job, metric, progress)
    found = [_trial(path, job, keep, apart) for keep in keeps]
    _forget(path, [stage for keep in keeps for stage in _chain(path, keep, apart) if stage.kind in ("rung", "point")])
    return found


def _trial(path: Trajectory, job: Job, keep: float, apart: Container[str]) -> Trial:
    asked = f"{path.metric}={keep:g}"
    _, *stages, point = _chain(path, keep, apart)
    try:
        last = path.facts(point)
        facts = {stage.key: path.facts(stage) for stage in stages} | {point.key: last}
    except UserError:
        raise
    except Exception as error:  # a plugin's error is this trial's, whatever it is
        log.debug("traceback of the failed trial", exc_info=True)
        return Trial(job, asked, reason=reason(error))
    return Trial(
        job,
        asked,
        validation=last["curve"][-1]["validation"],
        seconds={key: float(one["seconds"]) for key, one in facts.items()},
        ineffective=next((one["sparse"]["ineffective"] for one in reversed(facts.values()) if one["sparse"]), False),
    )


def _chain(path: Trajectory, keep: float, apart: Container[str]) -> list[Stage]:
    return path.plan.point(path.method, keep).on_trial(apart).chain()


def _forget(path: Trajectory, stages: Iterable[Stage]) -> None:
    for stage in stages:
        if stage.trial:
            path.store.drop_stage(stage.key)


def of(trials: Iterable[Trial], **job: str) -> list[Trial]:
    """Pick the trials of the jobs with some dataset, model or criterion."""
    return [trial for trial in trials if all(getattr(trial.job, name) == text for name, text in job.items())]


def validation(trials: Sequence[Trial]) -> float | None:
    """Average the validation accuracy; nothing where a trial failed."""
    known = [trial.validation for trial in trials if trial.validation is not None]
    return sum(known) / len(known) if known and len(known) == len(trials) else None


def seconds(trials: Iterable[Trial]) -> float:
    """Sum up what trials took, each stage once."""
    return sum({key: took for trial in trials for key, took in trial.seconds.items()}.values())


def best(means: Mapping[float, float | None]) -> float | None:
    """Choose the setting of the highest mean, the lower one of two equals; nothing where all failed.

    >>> best({1.0: 0.9, 0.1: 0.9, 0.01: 0.5, 10.0: None}), best({1.0: None})
    (0.1, None)
    """
    known = {setting: mean for setting, mean in means.items() if mean is not None}
    return max(known, key=lambda setting: (known[setting], -setting), default=None)


def first_reason(trials: Iterable[Trial]) -> str:
    """Say why trials failed."""
    return min((trial.reason for trial in trials if trial.reason), default="no point was reached")


def shown(accuracy: float | None, marks: str = "") -> str:
    """Print an accuracy in %, with marks behind it.

    >>> shown(0.5, "*"), shown(0.5), shown(None)
    ('50.00 *', '50.00', 'failed')
    """
    return "failed" if accuracy is None else f"{100 * accuracy:.2f} {marks}".rstrip()
