"""Plans a merge of results folders: what is taken from which, and which cannot be joined. It writes nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunebench.errors import UserError
from prunebench.records.files import read_json
from prunebench.records.merge_parts import (
    Holders,
    Point,
    Timings,
    choose_newest,
    choose_points,
    choose_stages,
    read_checked,
    unite_timings,
)
from prunebench.records.record import SCHEMA


@dataclass(frozen=True)
class Plan:
    """What a merged store is made of.

    stores: those that take part, the merged one first where it exists. stages, rates (sweeps, tunings,
    fidelity): the store that each is taken from, by its path inside. same: copies of finished records that are left
    out. unlike: files of one key that differ.
    """

    output: Path
    stores: tuple[Path, ...]
    points: tuple[Point, ...]
    same: int
    stages: Mapping[Path, Path]
    rates: Mapping[Path, Path]
    timings: Mapping[Path, Timings]
    unlike: tuple[str, ...]
    run: Mapping[str, Any]


def plan_merge(stores: Sequence[Path], output: Path) -> Plan:
    """Plan the merge of stores into one. Raises `UserError` where they cannot be joined."""
    folders = _folders(stores, output)
    points, same = choose_points(_holders(folders, "records/**/*.json"))
    stages, unlike_stages = choose_stages(_holders(folders, "stages/*", _is_stage))
    kinds = ("rates/*.json", "strengths/*.json", "fidelity/**/*.json")
    rates, unlike_rates = choose_newest({path: where for k in kinds for path, where in _holders(folders, k).items()})
    timings = {path: unite_timings(path, where) for path, where in _holders(folders, "timing/*.json").items()}
    unlike, run = (*unlike_stages, *unlike_rates), _run(folders, output)
    return Plan(output, folders, points, same, stages, rates, timings, unlike, run)


def _folders(stores: Sequence[Path], output: Path) -> tuple[Path, ...]:
    """Give the stores that take part, each once, all of them of this version's schema."""
    exists = (output / "store.json").is_file()
    if output.exists() and not exists and _is_somebodys(output):
        raise UserError(f"{output}: not a results folder (no store.json) and not empty; give another --output")
    folders: dict[Path, Path] = {}
    for folder in (*((output,) if exists else ()), *stores):
        if not (folder / "store.json").is_file():
            raise UserError(f"{folder}: not a results folder (no store.json)")
        folders.setdefault(folder.resolve(), folder)
    if len(folders) < 2:
        raise UserError(f"{stores[0]}: there is nothing to merge it with; give two results folders at least")
    first, *others = folders.values()
    schemas = {folder: read_json(folder / "store.json").get("schema_version") for folder in (first, *others)}
    other = next((folder for folder in others if schemas[folder] != schemas[first]), others[0])
    if schemas[first] != SCHEMA or schemas[other] != SCHEMA:
        found = f"{first} holds results of schema {schemas[first]}, {other} of schema {schemas[other]}"
        raise UserError(f"{found}; this version merges schema {SCHEMA}")
    return (first, *others)


def _is_somebodys(folder: Path) -> bool:
    """Tell whether anything is here but what a merge leaves that is killed at its start."""
    return not folder.is_dir() or any(path.is_file() and path.suffix != ".part" for path in folder.rglob("*"))


def _is_stage(path: Path) -> bool:
    return path.is_dir() and path.suffix != ".part"


def _holders(folders: Sequence[Path], pattern: str, wanted: Callable[[Path], bool] = Path.is_file) -> Holders:
    holders: Holders = {}
    for folder in folders:
        for path in filter(wanted, sorted(folder.glob(pattern))):
            holders.setdefault(path.relative_to(folder), []).append(folder)
    return holders


def _run(folders: Sequence[Path], output: Path) -> dict[str, Any]:
    """Say of which stores the merged one is made, what all asked for, and the preset where they agree.

    A demonstration stays one.
    """
    commands: dict[str, str] = {}
    presets, asked = set(), []
    for folder in folders:
        path = folder / "run.json"
        facts = read_checked(path) if path.is_file() else {}
        presets |= {facts.get("preset")} if facts else set()
        asked += [one for one in facts.get("asked", []) if one not in asked]
        if "merged" in facts and folder == output:
            commands |= facts["merged"]
        elif facts or folder != output:
            commands[str(folder)] = str(facts.get("command") or "not recorded")
    preset = "quick" if "quick" in presets else presets.pop() if len(presets) == 1 else None
    text = ", ".join(f"{folder} ({command})" for folder, command in commands.items())
    said = {"preset": preset, "command": f"merge of {text}", "merged": commands, "asked": asked}
    return {"schema_version": SCHEMA, **said}
