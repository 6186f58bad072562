"""What a run would do: its cells, and an estimate of epochs, MACs, time and disk, before anything is computed."""

from collections import Counter
from collections.abc import Iterator

from tabulate import tabulate

from prunebench.records.budget import Keep
from prunebench.records.stage import FACTS
from prunebench.study.grid import Grid, make_trajectory, schedule, task
from prunebench.study.pace import measure
from prunebench.study.stages import Stage
from prunebench.study.store import Store
from prunebench.study.task import Task

_RECORD_BYTES_PER_PICTURE = 2  # measured: labels and losses of a record, compressed, per test picture


def describe(grid: Grid) -> str:
    """List a grid's cells and, for each task, what its unfinished stages will cost."""
    store = Store(grid.spec.results, make=False)
    cells, costs = [], []
    for names in dict.fromkeys((job.dataset, job.model) for job in grid.jobs):
        jobs = [job for job in grid.jobs if (job.dataset, job.model) == names]
        ready = task(grid.spec, *names)
        stages: dict[str, Stage] = {}
        done: dict[str, Stage] = {}
        open_points = 0
        for job in jobs:
            trajectory = make_trajectory(grid.spec, store, job)
            for keep in grid.spec.keep.fractions:
                finished, point = (
                    store.get(trajectory.blank(keep)) is not None,
                    trajectory.plan.point(trajectory.method, keep),
                )
                open_points += not finished
                cells.append([str(job), str(Keep(grid.spec.keep.metric, keep)), "finished" if finished else "to do"])
                done |= {s.key: s for s in point.chain() if (store.stage(s.key) / FACTS).exists()}
                if not finished:
                    stages |= {s.key: s for s in _needed(point, store)}
        costs.append(_costs(grid, ready, names, list(stages.values()), list(done.values()), open_points))
    workers = f"{grid.spec.workers} worker{'s' * (grid.spec.workers > 1)}"
    head = ["task", "points", "stages", "epochs", "training MACs", "about", "disk"]
    return "\n\n".join(
        [
            schedule(grid),
            tabulate(cells, ["cell", "keep", "state"], "simple"),
            tabulate(costs, head, "simple"),
            "time: from training steps measured now on the dense and the smallest network, corrected by the stages "
            f"of each task that are already finished; {workers}, never waiting",
        ]
    )


def _needed(stage: Stage, store: Store) -> Iterator[Stage]:
    if store.has(stage.key):
        return
    yield stage
    for other in (stage.parent, stage.copies):
        if other is not None:
            yield from _needed(other, store)


def _costs(
    grid: Grid, ready: Task, names: tuple[str, str], stages: list[Stage], done: list[Stage], points: int
) -> list[str]:
    pictures = round(len(ready.loaded.train) * ready.protocol.train_fraction * (1 - ready.protocol.validation_fraction))
    dense = ready.costs.dense
    epochs = sum(stage.epochs for stage in stages)
    left = {s.key: 1.0 if grid.spec.keep.metric == "weights" else s.keep for s in stages}
    share = sum(stage.epochs * left[stage.key] for stage in stages)
    macs = 3 * dense.macs * pictures * share
    seconds = 0.0
    if stages:
        store = Store(grid.spec.results, make=False)
        pace = measure(grid, ready).corrected(done, store, lambda s: _work(s, ready, pictures))
        seconds = sum(_work(stage, ready, pictures) * pace(stage.keep) for stage in stages) / grid.spec.workers
    kept = {"none": (), "final": ("dense", "sparse", "point"), "all": ("dense", "sparse", "rung", "point")}
    disk = sum(dense.bytes * left[s.key] for s in stages if s.kind in kept[grid.spec.save])
    disk += points * _RECORD_BYTES_PER_PICTURE * len(ready.loaded.test)
    kinds = Counter(stage.kind for stage in stages)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "none"
    about, size = _duration(seconds), f"{disk / 2**20:.0f} MiB"
    return [" x ".join(names), str(points), listed, str(epochs), f"{macs:.2e}", about, size]


def _work(stage: Stage, ready: Task, pictures: int) -> float:
    """Give a stage's work in trained pictures; scoring and testing count as what they cost."""
    test = len(ready.loaded.test)
    scored = 1.5 * ready.protocol.calibration if stage.kind in ("rung", "point") else 0.0
    tested = (
        {"point": 3.0, "dense": 1.0}.get(stage.kind, 0.0) * test / 3
    )  # a forward pass is a third of a training step
    return stage.epochs * pictures + scored + tested


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
