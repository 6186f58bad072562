"""Expands a spec into a grid of trajectories; checks every name before anything is computed."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING, Generic, TypeVar

import torch

from prunebench.errors import UnfitError, UserError
from prunebench.plugins.dataset import Source
from prunebench.plugins.expressions import Method, parse_method
from prunebench.plugins.identity import identity, newly_unreadable
from prunebench.plugins.registry import get_model, load_registry
from prunebench.pruning.network import why_kept
from prunebench.pruning.selection import lowest
from prunebench.records.budget import Keep
from prunebench.records.names import Metric
from prunebench.records.requested import describe_seeds, parse_seeds
from prunebench.seeding import RACE_SEEDS
from prunebench.study.choices import resolve, with_swept_rate
from prunebench.study.spec import Spec
from prunebench.study.stages import Once, Stage, StagePlan
from prunebench.study.store import Store, record_name
from prunebench.study.structure import check_for_blocks, check_for_weights
from prunebench.study.task import Task, make_task
from prunebench.study.trajectory import Trajectory, cell_of, record_key
from prunebench.training.train import Tick

if TYPE_CHECKING:
    from prunebench.study.progress import Result

log = logging.getLogger("prunebench")

B = TypeVar("B")
R = TypeVar("R", bound="Result")


@dataclass(frozen=True)
class Job:
    """One trajectory: a criterion in a block, at all keeps. Holds plain values that worker processes can receive."""

    dataset: str
    model: str
    criterion: str
    seed: int

    def __str__(self) -> str:
        return f"{self.dataset} x {self.model} | {self.criterion} | seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """A checked spec and its trajectories."""

    spec: Spec
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Work(Generic[R]):
    """What a grid's jobs are worked with. Other processes import its functions.

    do: (spec, job, progress=None) -> results, such as one record per keep. stages: those that a job reads or makes, the
    last one last. stored: results of a job that needs no work, [] for another. named: jobs of a grid that need no work
    by the names of their results, damaged ones among them. by_keep: whether the keeps of a job may be computed by
    several calls, one after another.
    """

    do: Callable[..., list[R]]
    stages: Callable[[Spec, Job], list[Stage]]
    stored: Callable[[Spec, Job], list[R]] | None = None
    named: Callable[[Grid], list[Job]] | None = None
    by_keep: bool = False

    def found(self, spec: Spec, job: Job) -> list[R]:
        """Return the stored results of a job that needs no work, [] for another."""
        return self.stored(spec, job) if self.stored else []

    def finished(self, grid: Grid) -> dict[Job, None]:
        """Return the jobs that need no work by the names of their results, in the order of the grid."""
        return dict.fromkeys(self.named(grid) if self.named else ())


def schedule(grid: Grid) -> str:
    """Describe in one line what a grid trains, and whether its seeds can give a verdict."""
    spec = grid.spec
    pairs = dict.fromkeys((job.dataset, job.model) for job in grid.jobs)
    dense = ", ".join(dict.fromkeys(str(prepare_task(spec, *pair).protocol.epochs) for pair in pairs))
    epochs = f"dense {dense}, sparse {spec.sparse_epochs}, rung {spec.rung_epochs}, fine-tuning {spec.finetune_epochs}"
    jobs, keeps = len(grid.jobs), len(spec.keep.fractions)
    size = f"{jobs} trajector{'y' if jobs == 1 else 'ies'} x {keeps} keep{'s' * (keeps > 1)}"
    seeds = describe_seeds(parse_seeds(spec.seeds))
    more = f"; repair: {spec.repair}" * (spec.repair != "none") + f"; units: {spec.units}" * (spec.units != "filters")
    return f"{size}; preset: {spec.preset or 'none'}; epochs: {epochs}; ranking: {spec.ranking}{more}; {seeds}"


def make_grid(spec: Spec) -> Grid:
    """Check a spec and expand it into jobs. Neighbouring jobs lie in different blocks.

    So worker processes do not wait for the same dense training. Raises `UserError` for unknown names, for wrong seeds
    and keeps, and for datasets and models that do not fit.
    """
    known = load_registry(spec.plugin)
    for source, reason in known.failures.items():
        log.warning("not loaded: %s: %s", source, reason)
    methods = [parse_method(text, known) for text in spec.criteria]
    seeds = parse_seeds(spec.seeds)
    if spec.keep.metric == "weights":
        check_for_weights(spec.protocol(), methods)
    if spec.units == "blocks":
        check_for_blocks(spec.protocol(), spec.keep.metric, methods)
    device = _device_of(spec)
    for name in ("mixed_precision", "tf32"):
        if getattr(spec, name) and device.type != "cuda":
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{option} needs a CUDA device, but this run uses {device.type}; leave {option} out")
    ready = [prepare_task(spec, dataset, model) for dataset, model in spec.pairs]
    for told in dict.fromkeys(told for one in ready for told in one.notes):
        log.warning(told)
    for one in ready:
        _check_reachable(one, spec.keep.keeps[-1])
        for kept in why_kept(one.table.fixed):
            log.warning("%s: %s", one.model.label, kept)
    _warn_of_unreadable(methods, ready)
    tasks = dict.fromkeys((one.dataset_label, one.model.label) for one in ready)
    blocks = _share(list(product(tasks, seeds)), spec.shard)
    order = product(dict.fromkeys(method.name for method in methods), blocks)
    jobs = tuple(Job(dataset, model, method, seed) for method, ((dataset, model), seed) in order)
    planner = Planner(spec)
    for job in jobs:
        planner.method(job)  # raises where a strength has not been tuned
    return Grid(spec, jobs)


def warn_of_race_seeds(spec: Spec) -> None:
    """Warn of seeds of the race of `choose`: what a choice has seen confirms nothing."""
    if any(seed >= RACE_SEEDS for seed in parse_seeds(spec.seeds)):
        what = f"seeds from {RACE_SEEDS} on are those that `choose` races on"
        log.warning("--seeds %s: %s; after a choice, compare its criteria on seeds below", spec.seeds, what)


def _warn_of_unreadable(methods: Sequence[Method], ready: Sequence[Task]) -> None:
    """Name once what cannot be hashed, such as a lambda that reads an open file."""
    for thing in (*methods, *(one.model for one in ready)):
        identity(thing)
    for text in newly_unreadable():
        log.warning("computed anew each time, in this process alone: %s, which cannot be hashed", text)


def _share(blocks: list[B], shard: str) -> list[B]:
    """Return one machine's share of the blocks. A block is never divided: its points share the dense network.

    >>> _share(["a", "b", "c"], "1/2"), _share(["a", "b", "c"], "2/2"), _share(["a"], "")
    (['a', 'c'], ['b'], ['a'])
    """
    if not shard:
        return blocks
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", shard)
    number, count = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= count:
        raise UserError(f"--shard {shard}: give the number of this machine and of all, such as 1/4")
    if number > len(blocks):
        what = f"this run has {len(blocks)} blocks (one seed of one task each), so nothing is left for this machine"
        raise UserError(f"--shard {shard}: {what}; give at most {len(blocks)} machines")
    return blocks[number - 1 :: count]


def least_share(ready: Task, metric: Metric) -> float:
    """Return the smallest share of a task's network that floors let a cut reach."""
    rule, costs = ready.structure(metric).rule, ready.structure(metric).costs
    return costs.shares({g: n if g in rule.skip else lowest(n, rule) for g, n in costs.counts.items()})[metric]


def _check_reachable(ready: Task, keep: Keep) -> None:
    rule, least = ready.structure(keep.metric).rule, least_share(ready, keep.metric)
    if least > keep.fraction:
        what = f"--keep {keep} cannot be reached on {ready.dataset_label} x {ready.model.label}"
        cause, cure = "floors", "lower --floor or give a larger keep"
        if keep.metric == "weights":
            raise UserError(f"{what}: one weight of every layer stays, {least:.2g} of all; give a larger keep")
        if rule.vanish:
            raise UserError(f"{what}: what is no block leaves at least {least:.4f}; give a larger keep")
        if rule.skip:
            cause = f"floors and the {len(rule.skip)} coupled groups that --no-coupled keeps whole"
        raise UserError(f"{what}: {cause} leave at least {least:.4f}; {cure}")


def names_data(spec: Spec) -> bool:
    """Tell whether a dataset was asked for, by an option, a file or a preset."""
    return not spec.model_fields_set.isdisjoint({"datasets", "tasks"})


def prepare_task(spec: Spec, dataset: str, model: str) -> Task:
    """Prepare one task of a spec, once per process: `mynet.py:make` and `mynet:make` are one model."""
    model = get_model(model, load_registry(spec.plugin)).label
    try:
        source = Source(spec.data_root, spec.download)
        ready = make_task(dataset, model, spec.protocol(), source, spec.plugin, kept=spec.results)
    except UnfitError as error:
        if names_data(spec):
            raise
        raise UserError(f"{error} (on {dataset}, the default, as no --datasets are given)") from error
    if spec.finetune_rate == "swept":
        return with_swept_rate(ready, spec.results, spec.keep.metric)
    return ready


def method_of(spec: Spec, job: Job) -> Method:
    """Parse a job's criterion; `strength=tuned` becomes the tuned strength."""
    ready = prepare_task(spec, job.dataset, job.model)
    known = load_registry(spec.plugin)
    return resolve(job.criterion, ready, job.seed, results=spec.results, metric=spec.keep.metric, registry=known)


class Planner:
    """Plans the trajectories of a spec: computes nothing, and opens no file of a result.

    What trajectories share is prepared once. So a planner is for one look at a grid: later edits it does not see.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec, self.device = spec, _device_of(spec)
        self._texts: dict[tuple[str, str], Once] = {}
        self.task, self._block, self._parsed = cache(partial(prepare_task, spec)), cache(self._plan), cache(self._parse)

    def method(self, job: Job) -> Method:
        """Parse a job's criterion, see `method_of`."""
        method = self._parsed(job.criterion)
        tuned = method.tuned or (method.of is not None and method.of.tuned)
        return method_of(self.spec, job) if tuned else method

    def points(self, job: Job) -> Iterator[tuple[Stage, str]]:
        """Yield the stage and the record's name of every keep of a job."""
        task, method = self.task(job.dataset, job.model), self.method(job)
        plan, metric = self._block(job.dataset, job.model, job.seed), self.spec.keep.metric
        first = cell_of(task, method, job.seed, metric, 1.0)
        for keep in self.spec.keep.fractions:
            point, cell = plan.point(method, keep), first.model_copy(update={"keep": keep})
            yield point, record_name(cell, record_key(point, cell))
        plan.once.forget()  # the next job of this block is of another criterion

    def _plan(self, dataset: str, model: str, seed: int) -> StagePlan:
        task = self.task(dataset, model)
        facts = task.facts(seed, self.device, self.spec.threads)
        return StagePlan(task.protocol, facts, self.spec.keep.metric, self._texts.setdefault((dataset, model), Once()))

    def _parse(self, criterion: str) -> Method:
        return parse_method(criterion, load_registry(self.spec.plugin))


def make_trajectory(spec: Spec, store: Store, job: Job, tick: Tick = lambda _: None) -> Trajectory:
    """Set up a job's trajectory."""
    ready = prepare_task(spec, job.dataset, job.model)
    return Trajectory(
        task=ready,
        method=method_of(spec, job),
        seed=job.seed,
        metric=spec.keep.metric,
        store=store,
        device=_device_of(spec),
        threads=spec.threads,
        retry_failed=spec.retry_failed,
        tick=tick,
    )


def _device_of(spec: Spec) -> torch.device:
    """Return the device of a run. On a cluster, this machine may lack the GPUs that the workers have."""
    away = spec.engine == "ray" and spec.device == "cuda"
    return torch.device("cuda") if away else find_device(spec.device)


def find_device(name: str) -> torch.device:
    """Return a device; `auto` means CUDA, else MPS, else the CPU. Raises `UserError` for an absent device."""
    if name == "auto":
        accelerated = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(accelerated)
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise UserError(f"--device {name}: unknown device; give auto, cpu, cuda, cuda:N or mps")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA devices; use cpu or auto")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UserError(f"--device {name}: this machine has no MPS device; use cpu or auto")
    return device
