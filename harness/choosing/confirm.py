"""Confirms the finalists and the references on fresh seeds and test pictures, through an ordinary run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prunebench.choosing.field import confirmed_names
from prunebench.choosing.race import stage_seconds
from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.reports.results import Results, gather_results
from prunebench.study.grid import Grid, Job, make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import about, requested, run
from prunebench.study.spec import Spec
from prunebench.timing.backends import check_backend
from prunebench.timing.timer import Timer


@dataclass(frozen=True)
class Confirmation:
    """The confirmation that was run. results: its records alone, for a report. seconds: of its stages."""

    grid: Grid
    records: tuple[Record, ...]
    results: Results
    seconds: float

    def timed(self, latencies: Sequence[Latency]) -> "Confirmation":
        """Add measured latencies to the results."""
        return replace(self, results=_results(self.grid, self.records, latencies))


def confirm(spec: Spec, finalists: Sequence[str], seeds: Sequence[int], progress: Progress) -> Confirmation:
    """Run the finalists and the references. Finished points are read from the results folder."""
    wanted = {"criteria": confirmed_names(finalists), "seeds": ",".join(map(str, seeds))}
    grid = make_grid(spec.model_copy(update=wanted))
    records = tuple(run(grid, progress))
    return Confirmation(grid, records, _results(grid, records), stage_seconds(grid))


def time_records(grid: Grid, records: Sequence[Record]) -> list[Latency]:
    """Time the networks of some records against the dense one, in turn. Single weights save no time: not timed."""
    records = [record for record in records if not record.weights]
    if not records:
        return []
    check_backend(grid.spec.backend)
    timer, found = Timer(grid), []
    for record in records:
        cell = record.cell
        job = Job(cell.dataset, cell.model, cell.criterion, cell.seed)
        found.append(timer.measure(timer.dense(job), timer.pruned(job, record), record))
    timer.keep(found)
    return found


def _results(grid: Grid, records: Sequence[Record], latencies: Sequence[Latency] = ()) -> Results:
    told = about(grid.spec)
    preset, command = grid.spec.preset or None, str(told["command"])
    found = gather_results(str(grid.spec.results), records, latencies, preset=preset, command=command)
    return replace(found, asked=(requested(grid),))
