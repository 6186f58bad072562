"""What a report is made of, in memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prunebench.errors import UserError
from prunebench.records.fidelity import Fidelity, Scoring
from prunebench.records.latency import Latency
from prunebench.records.record import Cell, Record
from prunebench.records.requested import Requested
from prunebench.records.scoring_cost import Price
from prunebench.records.tuning import Choice
from prunebench.reports.protocols import name_tasks


@dataclass(frozen=True)
class Results:
    """What one run, or several into one folder, left behind.

    records: points that came out, the newest of each cell; superseded: how many older ones were left out.
    failures: cells that failed, their `reason` says why.
    latencies: by the record's key, one per machine, backend, batch and number of threads.
    tasks: by the record's key, dataset x model, with the protocol's number where a task was run under several.
    notes: what those protocols differ in, a line each.
    fidelity: scores of dense networks beside the truth, the newest of each criterion and block.
    prices: what scores cost beside a plain pass.
    machine: where a benchmark JSON was made.
    tunings: what `prunebench tune` found.
    asked: what the runs were asked for; none where the source does not say.
    """

    source: str
    records: tuple[Record, ...]
    failures: tuple[Record, ...] = ()
    latencies: Mapping[str, tuple[Latency, ...]] = field(default_factory=dict)
    preset: str | None = None
    command: str | None = None
    superseded: int = 0
    tasks: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fidelity: tuple[Fidelity, ...] = ()
    prices: tuple[Price, ...] = ()
    tunings: tuple[Choice, ...] = ()
    asked: tuple[Requested, ...] = ()
    machine: str | None = None

    @property
    def missing(self) -> tuple[Cell, ...]:
        """Cells that were asked for and neither came out nor failed, as where a run was broken off."""
        seen = {record.cell for record in (*self.records, *self.failures)}
        return tuple(dict.fromkeys(cell for run in self.asked for cell in run.cells() if cell not in seen))

    @property
    def untrained(self) -> bool:
        """Whether no network here was trained after a cut."""
        protocols = [record.protocol for record in self.records]
        return bool(protocols) and not any(p.get("rung_epochs") or p.get("finetune_epochs") for p in protocols)

    @property
    def demonstration(self) -> bool:
        """Whether these results are too little for evidence: `quick`, digits only, or fewer than three seeds."""
        cells: list[Cell | Scoring] = [record.cell for record in self.records]
        cells = cells or [one.cell for one in self.fidelity]
        if not cells:
            return False
        digits = all(cell.dataset == "digits" for cell in cells)
        return self.preset == "quick" or digits or len({cell.seed for cell in cells}) < 3


def gather(
    source: str,
    records: Iterable[Record],
    latencies: Iterable[Latency] = (),
    preset: str | None = None,
    command: str | None = None,
    fidelity: Iterable[Fidelity] = (),
) -> Results:
    """Put records, oldest first, in order: the newest of each cell counts, a failure until the cell comes out."""
    seen = list(records)
    tasks, notes = name_tasks(seen)
    latest: dict[tuple[str, str], Record] = {}
    failed: dict[tuple[str, str], Record] = {}
    keys = set()
    for record in seen:
        if record.status == "ok" and None in (record.accuracy, record.dense, record.pruned):
            raise UserError(f"{source}: corrupt record {record.key}: finished, but without accuracy or costs")
        cell = (tasks[record.key], record.cell.model_dump_json())
        if record.status == "failed":
            failed[cell] = record
        else:
            keys.add(record.key)
            failed.pop(cell, None)
            latest[cell] = record
    return Results(
        source=source,
        records=tuple(latest.values()),
        failures=tuple(failed.values()),
        latencies=_by_key(latencies),
        preset=preset,
        command=command,
        superseded=len(keys) - len(latest),
        tasks=tasks,
        notes=notes,
        fidelity=_newest(fidelity),
    )


def _newest(found: Iterable[Fidelity]) -> tuple[Fidelity, ...]:
    """Keep the newest of each criterion, block and protocol of the dense network."""
    seen = list(found)
    tasks, _ = name_tasks(seen)
    return tuple({(tasks[one.key], one.cell.criterion, one.cell.seed): one for one in seen}.values())


def _by_key(latencies: Iterable[Latency]) -> dict[str, tuple[Latency, ...]]:
    unique = {(x.key, x.machine, x.backend, x.batch, x.threads): x for x in latencies}
    grouped: dict[str, list[Latency]] = {}
    for latency in unique.values():
        grouped.setdefault(latency.key, []).append(latency)
    return {key: tuple(found) for key, found in grouped.items()}
