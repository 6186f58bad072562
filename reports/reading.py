"""Read a results folder, or the JSON of `pytest benchmarks/ --benchmark-json`."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prunebench.errors import UserError, printable
from prunebench.paths import exists
from prunebench.processes import uncollected
from prunebench.records.fidelity import parse_fidelity, read_fidelity
from prunebench.records.files import RunFile, TimingFile, read_data, read_file, united
from prunebench.records.latency import Latency
from prunebench.records.prices import Growth, RepairPrice, ScorePrice
from prunebench.records.record import SCHEMA, Record, parse_record, read_record
from prunebench.records.store_files import read_json
from prunebench.records.tuning import read_tunings
from prunebench.records.validation import F, validated
from prunebench.reports.results import Results, gather_results


def read_results(path: Path) -> Results:
    """Read a results folder or a benchmark JSON. Raises `UserError` for anything else."""
    if not exists(path):
        raise UserError(f"{path}: no such file or folder; give a results folder or a benchmark JSON")
    with uncollected():
        return _read_folder(path) if path.is_dir() else _read_benchmark(path)


def _read_folder(folder: Path) -> Results:
    timed, timed_scores = _oldest_first(folder / "records"), _oldest_first(folder / "fidelity")
    paths, scored = ([Path(path) for _, path in files] for files in (timed, timed_scores))
    if not paths and not scored:
        if (folder / "run.json").is_file():
            raise UserError(f"{folder}: a run began here, and no point is finished yet; run the same command again")
        raise UserError(f"{folder}: no PruneBench results here (no records/**/*.json)")
    file = folder / "run.json"
    run = read_file(RunFile, file) if file.is_file() else RunFile(schema_version=SCHEMA)
    records = [read_record(path) for path in paths]
    check_pictures(zip(map(str, paths), records, strict=True))
    results = gather_results(
        str(folder),
        records,
        read_latencies(folder),
        preset=run.preset,
        command=run.command,
        fidelity=[read_fidelity(path) for path in scored],
    )
    results = replace(results, asked=run.asked, tunings=read_tunings(folder), data=read_data(folder))
    return replace(results, lines=run.criteria, date=_day_of((*timed, *timed_scores)))


def newest_day(folder: Path) -> str | None:
    """Give the day of the newest record in a results folder, as 2026-01-31; None where there is none."""
    return _day_of(_oldest_first(folder / "records"))


def _day_of(timed: Iterable[tuple[int, str]]) -> str | None:
    newest = max((time for time, _ in timed), default=None)
    return None if newest is None else datetime.fromtimestamp(newest / 1e9, UTC).date().isoformat()


def read_latencies(folder: Path) -> list[Latency]:
    """Read all timings of a results folder, of every machine."""
    timings = [read_file(TimingFile, path) for path in sorted((folder / "timing").glob("*.json"))]
    return [latency for timing in timings for latency in timing.latencies]


def check_pictures(records: Iterable[tuple[str, Record]]) -> None:
    """Raise `UserError` where records of one dataset were measured on other numbers of test pictures."""
    first: dict[tuple[str, str], tuple[int, str]] = {}
    for where, record in records:
        if record.per_image is not None:
            pictures, data = record.per_image.pictures, (record.cell.dataset, record.fingerprint)
            wanted, other = first.setdefault(data, (pictures, where))
            if pictures != wanted:
                raise UserError(f"{where}: corrupt record: per_image.pictures: {pictures}, but {wanted} in {other}")


def _oldest_first(folder: Path) -> list[tuple[int, str]]:
    """Give the JSON files below a folder, each with the time in ns at which it was written."""
    return sorted(_timed_files(folder))


def _timed_files(folder: str | Path) -> Iterator[tuple[int, str]]:
    """Look at every file once: there may be ten thousand."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _timed_files(entry.path)
            elif entry.name.endswith(".json") and entry.is_file():
                yield entry.stat().st_mtime_ns, entry.path


def _read_benchmark(path: Path) -> Results:
    data = read_json(path)
    entries = data.get("benchmarks")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{path}: not a pytest-benchmark JSON (no list 'benchmarks')")
    run = validated(RunFile, data["prunebench"], str(path)) if "prunebench" in data else RunFile(schema_version=SCHEMA)
    extras = [(f"{path}: benchmark {n}", _dict(entry.get("extra_info"))) for n, entry in enumerate(entries)]
    ours = [(where, extra["prunebench"]) for where, extra in extras if isinstance(extra.get("prunebench"), dict)]
    told = [(where, one["record"]) for where, one in ours if "record" in one]
    told += [(f"{path}: untimed cell {number}", one) for number, one in enumerate(run.untimed)]
    records = [parse_record(one, where) for where, one in told]
    check_pictures(zip((where for where, _ in told), records, strict=True))
    fidelity = [parse_fidelity(one["fidelity"], where) for where, one in ours if "fidelity" in one]
    latencies = [
        validated(Latency, one["latency"], f"{where}: corrupt latency") for where, one in ours if "latency" in one
    ]
    whose = extras if "prunebench" in data else []
    prices = tuple(_validated(ScorePrice, "scoring", "cost of a score", whose))
    repairs = tuple(_validated(RepairPrice, "repairing", "cost of a repair", whose))
    growth = tuple(_validated(Growth, "growing", "growth of a cost", whose))
    if not (records or fidelity or prices or repairs or growth):
        raise UserError(f"{path}: no PruneBench records in this benchmark JSON; was it made by another suite?")
    results = gather_results(str(path), records, latencies, preset=run.preset, command=run.command, fidelity=fidelity)
    return replace(
        results,
        prices=prices,
        repair_prices=repairs,
        growth=growth,
        machine=_machine(data),
        tunings=run.tunings,
        date=_day(data) or None,
        data=united(run.data),
        lines=run.criteria,
    )


def _validated(kind: type[F], name: str, what: str, extras: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[F]:
    """Read what the benchmarks of a JSON say under a name."""
    for where, extra in extras:
        if name in extra:
            yield validated(kind, extra[name], f"{where}: corrupt {what}")


def _machine(data: dict[str, Any]) -> str | None:
    """Describe the machine of a pytest-benchmark JSON in words; None where the file does not name one."""
    info = _dict(data.get("machine_info"))
    cpu = _dict(info.get("cpu"))
    name = cpu.get("brand_raw") or info.get("processor") or info.get("machine")
    cores = f"{cpu['count']} cores" if "count" in cpu else None
    version = info.get("python_version")
    python = f"{info.get('python_implementation', 'Python')} {version}" if version else None
    day = _day(data)
    return printable(", ".join(str(part) for part in (name, cores, info.get("system"), python, day) if part)) or None


def _day(data: dict[str, Any]) -> str:
    return printable(str(data.get("datetime") or "")[:10])


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
