"""Trains the networks of a grid together, then hands them one by one to `pytest benchmarks/`."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from prunebench.fidelity.compare import compare_scores, criteria_that_read_gates, forget_dense, score_jobs
from prunebench.records.budget import Budget
from prunebench.records.fidelity import Fidelity
from prunebench.records.files import read_data
from prunebench.records.names import Metric
from prunebench.records.record import Record
from prunebench.records.tuning import read_tunings
from prunebench.study.grid import Grid, Job, make_grid, prepare_task
from prunebench.study.progress import Progress, lines_shown
from prunebench.study.run import about, configure, run
from prunebench.study.spec import Spec
from prunebench.timing.backends import check_backend
from prunebench.timing.timer import Timer
from prunebench.timing.warming import Call


@dataclass(frozen=True)
class TimedNetwork:
    """One timed network: a point, or the dense network of a task (keep is None)."""

    job: Job
    metric: Metric
    keep: float | None = None

    @property
    def task(self) -> str:
        """Dataset x model: the benchmark group."""
        return f"{self.job.dataset} x {self.job.model}"

    @property
    def record_wanted(self) -> bool:
        """Tell whether the network is a point, which has a record."""
        return self.keep is not None

    def __str__(self) -> str:
        parts = [self.job.dataset, self.job.model, self.job.criterion]
        if self.keep is not None:
            parts += [f"{self.metric}={self.keep:g}", f"seed{self.job.seed}"]
        return "-".join(parts)


class Bench:
    """The grid of one pytest session, with its records and fidelities."""

    def __init__(self, spec: Spec) -> None:
        configure(spec)
        check_backend(spec.backend)
        self.spec = spec
        self.grid = make_grid(spec)
        self.records: dict[TimedNetwork, Record] = {}
        self.fidelity: dict[Job, Fidelity] = {}
        self.timed: set[TimedNetwork] = set()
        self.timer = Timer(self.grid)

    @cached_property
    def entries(self) -> dict[str, TimedNetwork]:
        """Dense network of every task, then the points, by name."""
        metric = self.spec.keep.metric
        tasks = dict.fromkeys((job.dataset, job.model) for job in self.grid.jobs)
        dense = [TimedNetwork(Job(*names, "dense", 0), metric) for names in tasks]
        points = [TimedNetwork(job, metric, keep) for job in self.grid.jobs for keep in self.spec.keep.fractions]
        return {str(entry): entry for entry in dense + points}

    @cached_property
    def scores(self) -> dict[str, Job]:
        """Jobs whose scores are compared with the true changes of the loss, by name."""
        jobs = score_jobs(self.grid)
        return {f"{job.dataset}-{job.model}-{job.criterion}-seed{job.seed}": job for job in jobs}

    @cached_property
    def gated(self) -> tuple[str, ...]:
        """Criteria that read gates and so cannot score a dense network."""
        return criteria_that_read_gates(self.grid)

    def compare(self, jobs: tuple[Job, ...]) -> None:
        """Compute the fidelities of some jobs, or read them from the store."""
        with lines_shown(logging.StreamHandler()), Progress() as progress:
            self.fidelity |= compare_scores(self.grid, jobs, progress)

    def tidy(self) -> None:
        """Delete the dense networks that only fidelity needed, under `--save none`."""
        forget_dense(self.grid, tuple(self.fidelity))

    def train(self, entries: list[TimedNetwork]) -> None:
        """Compute some points, or read them from the store."""
        jobs = tuple(dict.fromkeys(entry.job for entry in entries))
        keeps = tuple(f for f in self.spec.keep.fractions if any(entry.keep == f for entry in entries))
        spec = self.spec.model_copy(update={"keep": Budget(self.spec.keep.metric, keeps)})
        with lines_shown(logging.StreamHandler()), Progress() as progress:
            for record in run(Grid(spec, jobs), progress):
                cell = record.cell
                job = Job(cell.dataset, cell.model, cell.criterion, cell.seed)
                self.records[TimedNetwork(job, cell.metric, cell.keep)] = record

    def look_at_machine(self, entry: TimedNetwork) -> None:
        """Say where the machine is too busy to time on, or tells no energy. entry: its dense network is run."""
        with lines_shown(logging.StreamHandler()), suppress(Exception):  # a network fails in its own test
            _ = self.timer.meter
            self.timer.warm_up(self.timer.dense(entry.job))

    def record(self, entry: TimedNetwork) -> Record | None:
        """Return the record of a point; None for a dense network."""
        return self.records[entry] if entry.record_wanted else None

    def iterations(self, call: Call) -> int:
        """Return how often a timed round repeats its call."""
        return self.timer.warm_up(call)[0]

    def facts(self, entry: TimedNetwork, call: Call) -> dict[str, Any]:
        """Return the facts of a benchmark entry: cost of a dense network, or record and paired latency of a point."""
        record = self.record(entry)
        if record is None:
            return {"dense": prepare_task(self.spec, entry.job.dataset, entry.job.model).costs.dense.model_dump()}
        latency = self.timer.measure(self.timer.dense(entry.job), call, record)
        self.timer.keep([latency])
        self.timed.add(entry)
        return {"record": record.model_dump(mode="json"), "latency": latency.model_dump(mode="json")}

    def summary(self) -> dict[str, Any]:
        """Describe the benchmark file. Adds the records without a time, because pytest-benchmark omits failed tests."""
        untimed = [r.model_dump(mode="json") for entry, r in self.records.items() if entry not in self.timed]
        tunings = [one.model_dump(mode="json") for one in read_tunings(self.spec.results)]
        used = {record.fingerprint for record in self.records.values()}
        data = [one.model_dump(mode="json") for one in read_data(self.spec.results).values() if one.fingerprint in used]
        return {**about(self.spec), "untimed": untimed, "tunings": tunings, "data": data}
