"""Read a results folder, or the JSON of `pytest benchmarks/ --benchmark-json`."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from prunebench.errors import UserError
from prunebench.records.fidelity import Fidelity, parse_fidelity, read_fidelity
from prunebench.records.latency import Latency
from prunebench.records.record import SCHEMA, Record, parse_record, read_record, validated
from prunebench.records.requested import Requested
from prunebench.records.scoring_cost import Price
from prunebench.records.tuning import Choice, read_choice
from prunebench.reports.results import Results, gather


def read_results(path: Path) -> Results:
    """Read a results folder or a benchmark JSON; raises `UserError` for anything else."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; give a results folder or a benchmark JSON")
    with _without_collector():
        return _read_folder(path) if path.is_dir() else _read_benchmark(path)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Rest the garbage collector, which walks through all records again and again and finds nothing to free."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read_folder(folder: Path) -> Results:
    paths, scored = _oldest_first(folder / "records"), _oldest_first(folder / "fidelity")
    if not paths and not scored:
        raise UserError(f"{folder}: no PruneBench results here (no records/**/*.json)")
    run = folder / "run.json"
    facts = _checked(_load(run), str(run)) if run.is_file() else {}
    latencies: list[Latency] = []
    for path in sorted((folder / "timing").glob("*.json")):
        entries = _checked(_load(path), str(path)).get("latencies")
        latencies += [_latency(entry, str(path)) for entry in _list(entries, str(path), "latencies")]
    records = [read_record(path) for path in paths]
    fidelity = [read_fidelity(path) for path in scored]
    found = gather(str(folder), records, latencies, _text(facts.get("preset")), _text(facts.get("command")), fidelity)
    asked = [validated(Requested, one, f"{run}: asked") for one in _list(facts.get("asked", []), str(run), "asked")]
    tunings = [read_choice(path) for path in sorted((folder / "strengths").glob("*.json"))]
    return replace(found, asked=tuple(asked), tunings=tuple(tunings))


def _oldest_first(folder: Path) -> list[Path]:
    return sorted((p for p in folder.rglob("*.json") if p.is_file()), key=lambda p: (p.stat().st_mtime_ns, str(p)))


def _read_benchmark(path: Path) -> Results:
    data = _load(path)
    if not isinstance(data, dict) or "benchmarks" not in data:
        raise UserError(f"{path}: not a pytest-benchmark JSON (no 'benchmarks')")
    facts = _checked(data["prunebench"], str(path)) if "prunebench" in data else {}
    records: list[Record] = []
    latencies: list[Latency] = []
    fidelity: list[Fidelity] = []
    prices: list[Price] = []
    for number, entry in enumerate(_list(data["benchmarks"], str(path), "benchmarks")):
        where = f"{path}: benchmark {number}"
        extra = _dict(_dict(entry).get("extra_info"))
        if "scoring" in extra and facts:
            prices.append(validated(Price, extra["scoring"], f"{where}: corrupt cost of a score"))
        ours = extra.get("prunebench")
        if not isinstance(ours, dict):
            continue  # a benchmark of the user's own in the same file
        if "record" in ours:
            records.append(parse_record(ours["record"], where))
        if "latency" in ours:
            latencies.append(_latency(ours["latency"], where))
        if "fidelity" in ours:
            fidelity.append(parse_fidelity(ours["fidelity"], where))
    # pytest-benchmark drops the entries of failed tests
    untimed = _list(facts.get("untimed", []), str(path), "untimed")
    records += [parse_record(data, f"{path}: untimed cell {number}") for number, data in enumerate(untimed)]
    if not (records or fidelity or prices):
        raise UserError(f"{path}: no PruneBench records in this benchmark JSON; was it made by another suite?")
    found = gather(str(path), records, latencies, _text(facts.get("preset")), _text(facts.get("command")), fidelity)
    known = _list(facts.get("tunings", []), str(path), "tunings")
    tunings = tuple(validated(Choice, one, f"{path}: corrupt tuning") for one in known)
    return replace(found, prices=tuple(prices), machine=_machine(data), tunings=tunings)


def _machine(data: dict[str, Any]) -> str | None:
    """Say in words what pytest-benchmark writes of the machine."""
    info = _dict(data.get("machine_info"))
    cpu = _dict(info.get("cpu"))
    name = cpu.get("brand_raw") or info.get("processor") or info.get("machine")
    cores = f"{cpu['count']} cores" if "count" in cpu else None
    python = (
        f"{info.get('python_implementation', 'Python')} {info['python_version']}" if "python_version" in info else None
    )
    day = str(data.get("datetime") or "")[:10]
    return ", ".join(str(part) for part in (name, cores, info.get("system"), python, day) if part) or None


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON: {error}") from None


def _checked(data: Any, where: str) -> dict[str, Any]:
    version = _dict(data).get("schema_version")
    if version != SCHEMA:
        raise UserError(f"{where}: schema {version}, this version reads schema {SCHEMA}")
    return _dict(data)


def _latency(data: Any, where: str) -> Latency:
    return validated(Latency, data, f"{where}: corrupt latency")


def _list(value: Any, where: str, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise UserError(f"{where}: '{name}' must be a list")
    return value


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
