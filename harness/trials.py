"""Runs that choose a setting by the accuracy on validation pictures. They write no records."""

import time
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prunebench.grid import Grid, Job, trajectory
from prunebench.names import Metric
from prunebench.progress import Progress
from prunebench.record import Record
from prunebench.run import attempt, start, work_off
from prunebench.spec import Spec
from prunebench.store import Store


@dataclass(frozen=True)
class Trial:
    """What came out of one job."""

    spec: Spec
    job: Job
    records: list[Record]


def run_trials(grids: Sequence[Grid], progress: Progress, forget: Container[str]) -> tuple[list[Trial], float]:
    """Run some grids; gives what came out of every job, and the seconds that it took.

    forget: kinds of stages whose networks, unless they were there before, are of no use to a later run.
    """
    progress.begin(sum(len(grid.jobs) for grid in grids))
    began = time.perf_counter()
    ours = [place for grid in grids for place in _new(grid, forget)]
    found = [Trial(grid.spec, job, records) for grid in grids for job, records in work_off(grid, progress, measure)]
    seconds = time.perf_counter() - began
    for store, key in ours:
        store.drop_stage(key)
    return found, seconds


def measure(
    spec: Spec, job: Job, metric: Metric, keeps: tuple[float, ...], progress: Progress | None = None
) -> list[Record]:
    """Compute the points of a trajectory without writing their records."""
    path = start(spec, job, metric, progress)
    return [attempt(path, keep) for keep in keeps]


def validation(trials: Sequence[Trial]) -> float | None:
    """Average the validation accuracy at the end of fine-tuning; nothing where a point failed."""
    ends = [r.curves[-1].validation if r.curves else None for trial in trials for r in trial.records]
    known = [end for end in ends if end is not None]
    return sum(known) / len(known) if len(known) == len(ends) else None


def best(means: Mapping[float, float | None]) -> float | None:
    """Choose the setting of the highest mean, the lower one of two equals; nothing where all failed.

    >>> best({1.0: 0.9, 0.1: 0.9, 0.01: 0.5, 10.0: None}), best({1.0: None})
    (0.1, None)
    """
    known = {setting: mean for setting, mean in means.items() if mean is not None}
    return max(known, key=lambda setting: (known[setting], -setting), default=None)


def first_reason(trials: Sequence[Trial]) -> str:
    """Say why points failed."""
    return min((r.reason for trial in trials for r in trial.records if r.reason), default="no point was reached")


def shown(accuracy: float | None, chosen: bool) -> str:
    """Print an accuracy in %, the chosen one marked."""
    return "failed" if accuracy is None else f"{100 * accuracy:.2f}{' *' if chosen else '  '}"


def _new(grid: Grid, kinds: Container[str]) -> Iterator[tuple[Store, str]]:
    """Give the stages of some kinds that are not there yet."""
    store = Store(grid.spec.results)
    for job in grid.jobs:
        path = trajectory(grid.spec, store, job, grid.metric)
        for keep in grid.keeps:
            chain = path.plan.point(path.method, keep).chain()
            yield from ((store, s.key) for s in chain if s.kind in kinds and not store.has(s.key))
