"""The input of a report, in memory."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from prunebench.errors import UserError
from prunebench.records.fidelity import Fidelity, ScoreRequest
from prunebench.records.files import DataFile
from prunebench.records.latency import Latency
from prunebench.records.prices import Growth, RepairPrice, ScorePrice
from prunebench.records.record import Cell, Record
from prunebench.records.requested import Requested
from prunebench.records.tuning import Choice
from prunebench.reports.language.message import say
from prunebench.reports.points import Point, RecordBySeed, group_by_point
from prunebench.reports.protocols import name_tasks, options_apart

FEWEST_OF_EVIDENCE = 3  # seeds; with fewer a report is a demonstration
DENSE_PROTOCOL = "protocol of fidelity"  # numbers a task whose fidelity was measured under several protocols


@dataclass(frozen=True)
class Results:
    """The results of one run, or of several runs into one folder.

    records: finished points, the newest of each cell. superseded: how many older records were left out.
    failures: cells that failed; their `reason` says why.
    latencies: by the record's key, one per machine, backend, batch and number of threads.
    tasks: names by the record's key, dataset x model, with the protocol's number where a task has several.
    notes: a line for each such task that says how its protocols differ.
    fidelity: scores of dense networks beside the truth, the newest of each criterion and block. fidelity_tasks and
    fidelity_notes: as tasks and notes, by the protocols of the dense networks and of what the oracle removes.
    prices, repair_prices: costs of scores and of repairs beside a plain pass. growth: of these with pictures and units.
    machine: where a benchmark JSON was made.
    tunings: outcomes of `prunebench tune`.
    command: the commands that made a folder, see `commands_of`. parts: the results of each source, where there are
    several; `source` names them together. date: day of the newest record, as 2026-01-31.
    data: true labels and names of the classes, by fingerprint, where the source has them.
    asked: the cells that the runs were asked for; empty where the source does not say. lines: what criteria are, in a
    line each, by name, where the source says it. kept: whether the source outlives the process, so that a command can
    name it.
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
    fidelity_tasks: Mapping[str, str] = field(default_factory=dict)
    fidelity_notes: tuple[str, ...] = ()
    prices: tuple[ScorePrice, ...] = ()
    repair_prices: tuple[RepairPrice, ...] = ()
    growth: tuple[Growth, ...] = ()
    tunings: tuple[Choice, ...] = ()
    asked: tuple[Requested, ...] = ()
    data: Mapping[str, DataFile] = field(default_factory=dict)
    machine: str | None = None
    date: str | None = None
    parts: tuple["Results", ...] = ()
    lines: Mapping[str, str] = field(default_factory=dict)
    kept: bool = True

    @cached_property
    def digest(self) -> str:
        """Hash keys and accuracies of all records: a repetition on the same kind of CPU gives it again. "" for none."""
        told = sorted(f"{one.key} {one.accuracy!r}" for one in self.records)
        return hashlib.sha256("\n".join(told).encode()).hexdigest() if told else ""

    @cached_property
    def points(self) -> dict[Point, RecordBySeed]:
        """The records by point, in the order of the tables, then by seed."""
        return group_by_point(self.records, self.tasks)

    @cached_property
    def protocols(self) -> dict[str, str]:
        """By the record's key, the options that tell its protocol from the others of its task; empty for one."""
        return options_apart((*self.records, *self.failures))

    @cached_property
    def compared(self) -> dict[tuple[Point, Point], dict[str, Any]]:
        """The comparisons of points that are computed so far, see `pairing.compare`: several tables share them."""
        return {}

    @cached_property
    def missing(self) -> tuple[Cell, ...]:
        """Cells that were asked for and neither finished nor failed, as in an interrupted run."""
        seen = {record.cell for record in (*self.records, *self.failures)}
        return tuple(dict.fromkeys(cell for run in self.asked for cell in run.cells() if cell not in seen))

    @property
    def protocol_versions(self) -> list[int]:
        """Versions of the protocol that the results were made under, rising."""
        points = {record.protocol_version for record in (*self.records, *self.failures)}
        return sorted(points | {one.protocol_version for one in self.fidelity})

    @cached_property
    def untrained(self) -> bool:
        """Whether no network was trained after a cut."""
        protocols = [record.protocol for record in self.records]
        return bool(protocols) and not any(p.get("rung_epochs") or p.get("finetune_epochs") for p in protocols)

    @property
    def from_checkpoint(self) -> tuple[str, ...]:
        """Names of the tasks whose dense networks start from a checkpoint, the same for every seed."""
        given = (r for r in self.records if r.protocol.get("weights") or "weights=" in r.cell.model)
        return tuple(dict.fromkeys(self.tasks[record.key] for record in given))

    @cached_property
    def demonstration_reasons(self) -> tuple[str, ...]:
        """Why these results are too little for evidence; empty where they are enough."""
        cells: list[Cell | ScoreRequest] = [record.cell for record in self.records]
        cells = cells or [one.cell for one in self.fidelity]
        if not cells:
            return ()
        seeds = len({cell.seed for cell in cells})
        reasons = {
            say("the preset is `quick`"): self.preset == "quick",
            say("digits is a toy task"): all(cell.dataset == "digits" for cell in cells),
            say("{seeds} of at least {needed} seeds", seeds=seeds, needed=FEWEST_OF_EVIDENCE): seeds
            < FEWEST_OF_EVIDENCE,
        }
        return tuple(reason for reason, holds in reasons.items() if holds)

    @property
    def demonstration(self) -> bool:
        """Whether these results are too little for evidence: `quick`, digits only, or fewer than three seeds."""
        return bool(self.demonstration_reasons)


def gather_results(
    source: str,
    records: Iterable[Record],
    latencies: Iterable[Latency] = (),
    *,
    preset: str | None = None,
    command: str | None = None,
    fidelity: Iterable[Fidelity] = (),
) -> Results:
    """Select the newest record of each cell. records: oldest first. A failure counts until the cell finishes."""
    seen, scored = list(records), list(fidelity)
    tasks, notes = name_tasks(seen)
    fidelity_tasks, fidelity_notes = name_tasks(scored, DENSE_PROTOCOL)
    latest: dict[tuple[str, str], Record] = {}
    failed: dict[tuple[str, str], Record] = {}
    for record in seen:
        cell = (tasks[record.key], record.cell.model_dump_json())
        if record.status == "failed":
            failed[cell] = record
        else:
            _check_finished(record, source)
            failed.pop(cell, None)
            latest[cell] = record
    return Results(
        source=source,
        records=tuple(latest.values()),
        failures=tuple(failed.values()),
        latencies=group_latencies(latencies),
        preset=preset,
        command=command,
        superseded=len({record.key for record in seen if record.status != "failed"}) - len(latest),
        tasks=tasks,
        notes=notes,
        fidelity=tuple({(fidelity_tasks[f.key], f.cell.criterion, f.cell.seed): f for f in scored}.values()),
        fidelity_tasks=fidelity_tasks,
        fidelity_notes=fidelity_notes,
    )


def _check_finished(record: Record, source: str) -> None:
    if None in (record.accuracy, record.dense, record.pruned):
        raise UserError(f"{source}: corrupt record {record.key}: finished, but without accuracy or costs")


def group_latencies(latencies: Iterable[Latency]) -> dict[str, tuple[Latency, ...]]:
    """Group latencies by the record's key. Of one setting of a record, the last measurement counts."""
    unique = {(x.key, x.machine, x.backend, x.batch, x.threads): x for x in latencies}
    grouped: dict[str, list[Latency]] = {}
    for latency in unique.values():
        grouped.setdefault(latency.key, []).append(latency)
    return {key: tuple(found) for key, found in grouped.items()}
