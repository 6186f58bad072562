"""Confirms the finalists and the references on fresh seeds and test pictures, through an ordinary run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prunebench.calls.results import gather_run
from prunebench.choosing.field import confirmed_names
from prunebench.choosing.race import stage_seconds
from prunebench.records.latency import Latency
from prunebench.records.record import Record
from prunebench.reports.results import Results
from prunebench.study.grid import Grid, make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run
from prunebench.study.spec import Spec


@dataclass(frozen=True)
class Confirmation:
    """The confirmation that was run. results: its records alone, for a report. seconds: of its stages."""

    grid: Grid
    records: tuple[Record, ...]
    results: Results
    seconds: float

    def timed(self, latencies: Sequence[Latency]) -> "Confirmation":
        """Add measured latencies to the results."""
        return replace(self, results=gather_run(self.grid, self.records, latencies))


def confirm(spec: Spec, finalists: Sequence[str], seeds: Sequence[int], progress: Progress) -> Confirmation:
    """Run the finalists and the references. Finished points are read from the results folder."""
    wanted = {"criteria": confirmed_names(finalists), "seeds": ",".join(map(str, seeds))}
    grid = make_grid(spec.model_copy(update=wanted))
    records = tuple(run(grid, progress))
    return Confirmation(grid, records, gather_run(grid, records, ()), stage_seconds(grid))
