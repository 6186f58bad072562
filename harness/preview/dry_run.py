"""Previews a run: its cells, and an estimate of epochs, MACs, time and disk space."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import NamedTuple

from tabulate import tabulate

from prunebench.preview.pace import measure
from prunebench.study.grid import Grid, Job, Planner, prepare_task, schedule
from prunebench.study.stages import Kind, Stage
from prunebench.study.store import Store
from prunebench.study.task import Task

_RECORD_BYTES_PER_PICTURE = 2  # measured: compressed labels and losses of a record


class Effort(NamedTuple):
    """What the cost of a stage depends on, of which a grid has few."""

    kind: Kind
    epochs: int
    keep: float
    trial: bool


@dataclass
class _Work:
    """Work of one task. keys: of unfinished stages; efforts: how many of these are alike; done: finished ones by key.

    points: number of unfinished ones.
    """

    task: Task
    keys: set[str] = field(default_factory=set)
    efforts: Counter[Effort] = field(default_factory=Counter)
    done: dict[str, Stage] = field(default_factory=dict)
    points: int = 0


@dataclass(frozen=True)
class Cost:
    """What the unfinished points of one task cost, as estimated. macs: of training; seconds, disk: in bytes.

    stages: number of each kind. fault: why the network cannot be trained, "" if it can.
    """

    points: int
    stages: Mapping[str, int]
    epochs: int
    macs: float
    seconds: float
    disk: float
    fault: str = ""

    @property
    def row(self) -> list[str]:
        """The cells of the table."""
        listed = ", ".join(f"{count} {kind}" for kind, count in self.stages.items()) or "none"
        size, macs = f"{self.disk / 2**20:.0f} MiB", f"{self.macs:.2e}" if not self.fault else "0"
        stages = f"none: {self.fault}" if self.fault else listed
        return [str(self.points), stages, str(self.epochs), macs, _duration(self.seconds), size]


@dataclass(frozen=True, repr=False)
class Preview:
    """What a run would compute. It shows itself as tables, also in a notebook.

    head: a line on the schedule. cells: (trajectory, keep, state) of every point. costs: by task. trials: whether
    they are trials, which write no records.
    """

    head: str
    cells: tuple[tuple[str, str, str], ...]
    costs: Mapping[str, Cost]
    workers: int = 1
    trials: bool = False

    @property
    def seconds(self) -> float:
        """Estimated time of all that is to do."""
        return sum(cost.seconds for cost in self.costs.values())

    def __str__(self) -> str:
        columns = ["task", "trials" if self.trials else "points", "stages", "epochs", "training MACs", "time", "disk"]
        workers = f"{self.workers} worker{'s' * (self.workers > 1)}"
        return "\n\n".join(
            [
                self.head,
                _listed(self.cells, ("cell", "keep", "state")),
                tabulate([[task, *cost.row] for task, cost in self.costs.items()], columns, "simple"),
                "time: estimated from training steps of the dense and the smallest network, timed just now, "
                f"and from each task's finished stages; scoring and repair not included; {workers}, without idle time",
            ]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def _listed(rows: Sequence[tuple[str, ...]], names: tuple[str, ...]) -> str:
    """Write texts as tabulate's `simple` table does, which takes a minute for 100,000 rows.

    >>> print(_listed([("a cell", "macs=0.5")], ("cell", "keep")))
    cell    keep
    ------  --------
    a cell  macs=0.5
    """
    widths = [max(map(len, (name, *texts))) for name, texts in zip(names, zip(*rows, strict=True), strict=True)]
    lines = (names, tuple("-" * width for width in widths), *rows)
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def preview(grid: Grid, *more: Grid, apart: Container[str] = ()) -> Preview:
    """List the cells of a grid and, for each task, the estimated cost of its unfinished stages.

    more: grids of a sweep, which differ in the fine-tuning rate alone. apart: kinds of stages that trials do not share
    with runs; empty for a run.
    """
    found = _Found(Store(grid.spec.results, make=False), grid.spec.retry_failed)
    cells: list[tuple[str, str, str]] = []
    works: dict[tuple[str, str], _Work] = {}
    keeps = [str(keep) for keep in grid.spec.keep.keeps]
    for planner, job in _planned((grid, *more)):
        names = job.dataset, job.model
        if names not in works:
            works[names] = _Work(prepare_task(grid.spec, *names))
        work = works[names]
        label = f"{job} | rate {planner.spec.finetune_rate}" if more else str(job)
        for keep, (planned, record) in zip(keeps, planner.points(job), strict=True):
            point = planned.on_trial(apart)
            done = point.key in found.stages if point.trial else record in found.records
            cells.append((label, keep, "finished" if done else "to do"))
            found.add_finished(point, work)
            if not done:
                work.points += 1
                found.add_needed(point, work)
    head = schedule(grid) + (f"; {1 + len(more)} rates" if more else "")
    costs = {" x ".join(names): _cost(grid, work) for names, work in works.items()}
    return Preview(head, tuple(cells), costs, grid.spec.workers, bool(apart))


def _planned(grids: Iterable[Grid]) -> Iterator[tuple[Planner, Job]]:
    for grid in grids:
        planner = Planner(grid.spec)
        yield from ((planner, job) for job in grid.jobs)


class _Found:
    """What a results folder holds, by the names of its files."""

    def __init__(self, store: Store, retry_failed: bool) -> None:
        self.stages, self.records = store.finished_stages(), store.finished_records(failed=not retry_failed)
        self.networks = {key for key in self.stages if store.has(key)}

    def add_finished(self, stage: Stage, work: _Work) -> None:
        """Add a stage and those that it follows, where they are finished."""
        at: Stage | None = stage
        while at is not None and at.key not in work.done:
            if at.key in self.stages:
                work.done[at.key] = at
            at = at.parent

    def add_needed(self, stage: Stage, work: _Work) -> None:
        """Add a stage and those before it, down to those whose networks are there."""
        if stage.key not in self.networks and stage.key not in work.keys:
            work.keys.add(stage.key)
            work.efforts[Effort(stage.kind, stage.epochs, stage.keep, stage.trial)] += 1
            for other in stage.needs():
                self.add_needed(other, work)


def _cost(grid: Grid, work: _Work) -> Cost:
    ready, efforts = work.task, work.efforts
    if ready.fault:
        return Cost(work.points, {}, 0, 0, 0, 0, ready.fault)
    pictures, dense = training_pictures(ready), ready.costs.dense
    left = {one: 1.0 if grid.spec.keep.metric == "weights" else one.keep for one in efforts}  # share of MACs and bytes
    seconds = 0.0
    if efforts:
        store = Store(grid.spec.results, make=False)
        effort = partial(trained_pictures, ready=ready, pictures=pictures)
        pace = measure(grid, ready).corrected(work.done.values(), store, effort)
        seconds = sum(count * effort(one) * pace(one.keep) for one, count in efforts.items()) / grid.spec.workers
    saved = {"none": (), "final": ("dense", "sparse", "point"), "all": ("dense", "sparse", "rung", "point")}
    kept = {one: n for one, n in efforts.items() if one.kind in saved[grid.spec.save] and not one.trial}
    records = 0 if any(one.trial for one in efforts) else work.points
    kinds: Counter[str] = Counter()
    for one, count in efforts.items():
        kinds[one.kind] += count
    return Cost(
        points=work.points,
        stages=kinds,
        epochs=sum(count * one.epochs for one, count in efforts.items()),
        macs=3 * dense.macs * pictures * sum(count * one.epochs * left[one] for one, count in efforts.items()),
        seconds=seconds,
        disk=sum(count * dense.bytes * left[one] for one, count in kept.items())
        + records * _RECORD_BYTES_PER_PICTURE * len(ready.loaded.test),
    )


def training_pictures(ready: Task) -> int:
    """Count the pictures that an epoch trains on."""
    return round(len(ready.loaded.train) * ready.protocol.train_fraction * (1 - ready.protocol.validation_fraction))


def trained_pictures(stage: Stage | Effort, ready: Task, pictures: int) -> float:
    """Estimate a stage's work in trained pictures; scoring and testing count by their cost. A trial tests nothing."""
    test = len(ready.loaded.test)
    scored = 1.5 * ready.protocol.calibration if stage.kind in ("rung", "point") else 0.0
    # a forward pass costs a third of a training step
    tested = 0.0 if stage.trial else {"point": 3.0, "dense": 1.0}.get(stage.kind, 0.0) * test / 3
    return stage.epochs * pictures + scored + tested


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
