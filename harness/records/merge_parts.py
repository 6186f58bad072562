"""Chooses, for everything that several results folders have, which one's is taken. Torch-free, writes nothing."""

import filecmp
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prunebench.errors import UserError
from prunebench.records.files import WEIGHTS, read_json
from prunebench.records.latency import Latency
from prunebench.records.record import SCHEMA, Record, parse_json, validated

Holders = dict[Path, list[Path]]  # for a path inside a store, the stores that have it
_FOUND = ("share", "strength", "status", "groups")  # what a sweep, a tuning and a fidelity say


@dataclass(frozen=True)
class Point:
    """A record and the store it is taken from. what: a hash of cell, protocol and data; time: of its file, in ns."""

    store: Path
    path: Path
    key: str
    label: str
    what: str
    finished: bool
    time: int


@dataclass(frozen=True)
class Timings:
    """The united entries of one timing file, the store that each is taken from, and the time of the newest file."""

    entries: tuple[dict[str, Any], ...]
    stores: tuple[Path, ...]
    time: int


@dataclass(frozen=True)
class _File:
    store: Path
    path: Path
    text: bytes
    time: int

    @classmethod
    def read(cls, store: Path, path: Path) -> "_File":
        whole = store / path
        return cls(store, path, whole.read_bytes(), whole.stat().st_mtime_ns)

    @property
    def age(self) -> tuple[int, bytes]:
        return self.time, self.text  # of two of one age the same one, in whatever order the stores are given

    @cached_property
    def record(self) -> Record:
        return parse_json(self.text, str(self.store / self.path))

    @cached_property
    def facts(self) -> str:
        return json.dumps(self.record.facts(), sort_keys=True)  # as text, for nan is not equal to itself

    def point(self) -> Point:
        record, cell = self.record, self.record.cell
        label = f"{cell.task}, {cell.ranking} ranking, {cell.criterion}, seed {cell.seed}, {cell.metric} {cell.keep:g}"
        what = json.dumps([cell.model_dump(), record.protocol, record.fingerprint], sort_keys=True)
        digest = hashlib.sha256(what.encode()).hexdigest()
        return Point(self.store, self.path, record.key, label, digest, record.status == "ok", self.time)


def choose_points(holders: Holders) -> tuple[tuple[Point, ...], int]:
    """Choose the file of every record, a finished one before a failed one, then the newest; and count the copies.

    Raises `UserError` where finished records of one key have different facts.
    """
    points, same, conflicts = [], 0, []
    for path, stores in holders.items():
        found = [_File.read(store, path) for store in stores]
        finished = [file for file in found if file.record.status == "ok"]
        best = max(finished or found, key=lambda file: file.age)
        point = best.point()
        others = [file for file in finished if file.text != best.text and file.facts != best.facts]
        conflicts += [f"{point.label}: {best.store / path} and {other.store / path}" for other in others]
        points.append(point)
        same += max(0, len(finished) - 1)
    if conflicts:
        rest = f" ({len(conflicts) - 1} more such pairs)" if len(conflicts) > 1 else ""
        raise UserError(f"{conflicts[0]} are the same point with different results{rest}; keep one of them")
    return tuple(points), same


def choose_stages(holders: Holders) -> tuple[dict[Path, Path], list[str]]:
    """Take every stage from the first store that still has its weights, else its facts; name those that differ."""
    taken, unlike = {}, []
    for path, stores in holders.items():
        weights = [store / path / WEIGHTS for store in stores if (store / path / WEIGHTS).exists()]
        taken[path] = weights[0].parents[2] if weights else stores[0]
        unlike += [f"{weights[0]} and {other}" for other in weights[1:] if not filecmp.cmp(weights[0], other)]
    return taken, unlike


def choose_newest(holders: Holders) -> tuple[dict[Path, Path], list[str]]:
    """Take the newest file of every path (sweeps, tunings, fidelity); name those that found something else."""
    taken, unlike = {}, []
    for path, stores in holders.items():
        taken[path] = max((_File.read(store, path) for store in stores), key=lambda file: file.age).store
        found = [read_json(store / path) for store in stores]
        if len({json.dumps([facts.get(name) for name in _FOUND], sort_keys=True) for facts in found}) > 1:
            unlike.append(" and ".join(str(store / path) for store in stores))
    return taken, unlike


def unite_timings(path: Path, stores: Sequence[Path]) -> Timings:
    """Unite a timing file's entries; of those of one point and setting that in the newest file counts."""
    files = sorted((_File.read(store, path) for store in stores), key=lambda file: file.age)
    entries = {file.store: dict(_entries(file.store / path)) for file in files}
    united = {identity: entry for file in files for identity, entry in entries[file.store].items()}
    sources = (next(s for s in stores if entries[s].get(identity) == entry) for identity, entry in united.items())
    return Timings(tuple(united.values()), tuple(sources), files[-1].time)


def _entries(path: Path) -> Iterator[tuple[tuple[object, ...], dict[str, Any]]]:
    entries = read_checked(path).get("latencies")
    if not isinstance(entries, list):
        raise UserError(f"{path}: 'latencies' must be a list")
    for entry in entries:
        x = validated(Latency, entry, f"{path}: corrupt latency")
        yield (x.key, x.machine, x.backend, x.batch, x.threads), entry


def read_checked(path: Path) -> dict[str, Any]:
    """Read a JSON file of a store that says its schema."""
    data = read_json(path)
    if data.get("schema_version") != SCHEMA:
        raise UserError(f"{path}: schema {data.get('schema_version')}, this version reads schema {SCHEMA}")
    return data
