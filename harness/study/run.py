"""Computes the trajectories of a grid, one after another or in several processes."""

import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from prunebench.data.streaming import set_decoders
from prunebench.errors import UserError, printable, reason
from prunebench.plugins.identity import unreadable
from prunebench.plugins.lines import criterion_lines
from prunebench.plugins.options import split_name
from prunebench.plugins.registry import load_registry
from prunebench.processes import cores
from prunebench.records.files import RunFile, read_file
from prunebench.records.record import SCHEMA, Record
from prunebench.records.requested import Requested, RequestedTrajectories
from prunebench.study.analyses import Analysis, keep_analysis
from prunebench.study.at_work import forget_failures
from prunebench.study.data_files import write_data_files
from prunebench.study.grid import Grid, Job, Planner, R, Work, make_trajectory, prepare_task, schedule
from prunebench.study.progress import Progress, Steps
from prunebench.study.spec import Spec
from prunebench.study.stages import Stage
from prunebench.study.store import Store, guard
from prunebench.study.trajectory import Trajectory
from prunebench.study.workers import Workers

log = logging.getLogger("prunebench")

_ANEW = "it is written anew, without what earlier runs asked for"


def run(grid: Grid, progress: Progress, command: str = "", apart: bool = False, careful: bool = False) -> list[Record]:
    """Compute every point of a grid. Returns all records, failed ones included, in the order of the grid.

    Finished points are read from the results folder. command: what to note as the command of the run, by default the
    process's own. apart: compute in a worker process, where one would do without. careful: do so after a
    killed run.

    Raises `UserError` where a point must be computed and the folder cannot be written.
    """
    store = Store(grid.spec.results)
    if store.writable:
        killed = store.forget_leftovers()  # the last run was
        apart = apart or (killed and careful)
        note(store, grid.spec, requested(grid), command=command)
        write_data_files(store, grid)
    else:
        log.warning("%s cannot be written: only its finished points can be read", store.folder)
    log.info(schedule(grid))
    progress.begin(len(grid.jobs))
    done = dict(work_off(grid, progress, RECORDS, apart))
    if store.writable:
        _tidy(grid, store)
        store.forget_trials()
    return [record for job in grid.jobs for record in done[job]]


def _keep_analyses(grid: Grid) -> None:
    """Keep the analyses that were made here, for worker processes and later runs."""
    folder = grid.spec.results
    if unreadable() or not (folder / "store.json").is_file():  # what cannot be hashed has another key in every run
        return
    for pair in dict.fromkeys((job.dataset, job.model) for job in grid.jobs):
        task = prepare_task(grid.spec, *pair)
        if task.keep_as:
            keep_analysis(Store(folder, make=False), task.keep_as, Analysis(task.table, task.memory_format))


def work_off(grid: Grid, progress: Progress, work: Work[R], apart: bool = False) -> Iterator[tuple[Job, list[R]]]:
    """Work every job, here, in worker processes or on a cluster. Yields each finished job with its results.

    apart: see `run`.
    """
    forget_failures()
    _keep_analyses(grid)
    for job, results in _in_turn(grid, progress, work, apart):
        progress.finished(str(job), results)
        yield job, results


def _in_turn(grid: Grid, progress: Progress, work: Work[R], apart: bool) -> Iterator[tuple[Job, list[R]]]:
    spec = grid.spec
    if spec.serial and not apart:
        yield from ((job, work.do(spec, job, progress)) for job in grid.jobs)
        return
    named = work.finished(grid)  # a finished grid starts no process
    yield from _by_others(Grid(spec, tuple(job for job in grid.jobs if job not in named)), progress, work)
    damaged = []
    for job in named:
        found = work.found(spec, job)
        if found:
            yield job, found
        else:
            damaged.append(job)
    yield from _by_others(Grid(spec, tuple(damaged)), progress, work)


def _by_others(grid: Grid, progress: Progress, work: Work[R]) -> Iterator[tuple[Job, list[R]]]:
    """Work every job in worker processes, or on a cluster."""
    if not grid.jobs:
        return iter(())
    if grid.spec.engine == "ray":
        from prunebench.study.cluster.fleet import on_ray

        return on_ray(grid, work)
    return iter(Workers(grid, work.do, progress))


def has_foreign_code(spec: Spec) -> bool:
    """Tell whether a spec names plugins or networks that PruneBench does not know."""
    known = load_registry(spec.plugin).models
    return bool(spec.plugin) or any(split_name(model)[0] not in known for _, model in spec.pairs)


def about(spec: Spec, command: str = "") -> dict[str, Any]:
    """Describe a set of results: schema, preset, criteria, and command, by default the process's own command line."""
    program = Path(sys.argv[0])
    name = f"python -m {program.parent.name}" if program.name == "__main__.py" else program.name
    command = printable(command or " ".join([name, shlex.join(sys.argv[1:])]))
    lines = criterion_lines(spec.criteria, load_registry(spec.plugin))
    return {"schema_version": SCHEMA, "preset": spec.preset or None, "command": command, "criteria": lines}


def requested(grid: Grid) -> Requested:
    """Return the trajectories and keeps that a grid requests."""
    seeds: dict[tuple[str, str, str], list[int]] = {}
    for job in grid.jobs:
        seeds.setdefault((job.dataset, job.model, job.criterion), []).append(job.seed)
    trajectories = tuple(
        RequestedTrajectories(dataset=dataset, model=model, criterion=criterion, seeds=tuple(found))
        for (dataset, model, criterion), found in seeds.items()
    )
    return Requested(
        ranking=grid.spec.ranking,
        metric=grid.spec.keep.metric,
        keeps=grid.spec.keep.fractions,
        trajectories=trajectories,
    )


def note(store: Store, spec: Spec, *wanted: Requested, command: str = "") -> None:
    """Add this run to the folder's `run.json`. A folder with one `quick` run stays marked as `quick`."""
    _rewrite(store, lambda old: _noted(old, about(spec, command), spec.preset, wanted))


def note_command(store: Store, spec: Spec) -> None:
    """Add this process's command alone to `run.json`: of trials, which decide what a later run does."""
    _rewrite(store, lambda old: _noted(old, about(spec) | {"preset": old.preset}, "", ()))


def _rewrite(store: Store, change: Callable[[RunFile], dict[str, Any]]) -> None:
    path = store.folder / "run.json"

    def write() -> None:
        with store.lock("run"):  # another run may note itself at the same time
            old = store.stored(path, partial(read_file, RunFile), _ANEW) or RunFile(schema_version=SCHEMA)
            store.write_json(path, change(old))

    guard(path, write)


def _noted(old: RunFile, now: dict[str, Any], preset: str, wanted: Sequence[Requested]) -> dict[str, Any]:
    command = " ; ".join(dict.fromkeys((*old.commands, now["command"])))
    kept = "quick" if "quick" in (old.preset, preset) else now["preset"]
    cells = [one.model_dump(mode="json") for one in dict.fromkeys((*old.asked, *wanted))]
    lines = old.criteria | now["criteria"]
    return now | {"preset": kept, "command": command, "asked": cells, "criteria": lines}


def run_job(spec: Spec, job: Job, progress: Steps | None = None) -> list[Record]:
    """Compute one trajectory. A point that fails gives a failed record; the other points are computed."""
    trajectory = start(spec, job, progress)
    return [_point(trajectory, keep) for keep in spec.keep.fractions]


def _finished(spec: Spec, job: Job) -> list[Record]:
    """Return the records of a finished trajectory, [] where a point is to be computed."""
    trajectory = make_trajectory(spec, Store(spec.results), job)
    records = [record for keep in spec.keep.fractions if (record := trajectory.finished(keep))]
    return records if len(records) == len(spec.keep.fractions) else []


def _stages(spec: Spec, job: Job) -> list[Stage]:
    trajectory = make_trajectory(spec, Store(spec.results), job)
    points = (trajectory.plan.point(trajectory.method, keep) for keep in spec.keep.fractions)
    return [stage for point in points for stage in point.origins()]


def _named(grid: Grid) -> list[Job]:
    """List the jobs whose records are all there, by their names. Whether one is damaged is seen when it is read."""
    store, planner = Store(grid.spec.results), Planner(grid.spec)
    names = store.finished_records(failed=not grid.spec.retry_failed)
    return [job for job in grid.jobs if all(name in names for _, name in planner.points(job))]


RECORDS = Work(run_job, _stages, _finished, _named, by_keep=True)


def start(spec: Spec, job: Job, progress: Steps | None = None) -> Trajectory:
    """Set up a job's trajectory in this process."""
    configure(spec)
    return make_trajectory(spec, Store(spec.results), job, progress.step if progress else (lambda _: None))


def configure(spec: Spec) -> None:
    """Set threads and TensorFloat-32, so that results repeat. Divide the cores among the workers' decoders."""
    torch.set_num_threads(spec.threads)
    set_decoders(cores() // spec.workers)
    torch.backends.cuda.matmul.allow_tf32 = spec.tf32
    torch.backends.cudnn.allow_tf32 = spec.tf32
    torch.backends.cudnn.benchmark = False


def _point(trajectory: Trajectory, keep: float) -> Record:
    """Read a finished point from the store, or compute it and write it there."""
    record = trajectory.finished(keep)
    if record is None:
        record = attempt(trajectory, keep)
        trajectory.store.put(record)
    return record


def attempt(trajectory: Trajectory, keep: float) -> Record:
    """Compute a point; an error gives a failed record."""
    try:
        return trajectory.point(keep)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # any error of a plugin fails this cell alone
        log.debug("traceback of the failed cell", exc_info=True)
        return trajectory.blank(keep).model_copy(update={"status": "failed", "reason": reason(error)})


def _tidy(grid: Grid, store: Store) -> None:
    """Delete the networks that `--save` does not keep."""
    if grid.spec.save == "all":
        return
    planner = Planner(grid.spec)
    stages = {
        stage.key: stage.kind for job in grid.jobs for point, _ in planner.points(job) for stage in point.origins()
    }
    for key in stages.keys() & store.finished_stages():
        if grid.spec.save == "none" or stages[key] == "rung":
            store.drop_stage(key)
