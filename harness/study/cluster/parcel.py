"""Carries stages, records and other files between the results folder and workers on other machines, by value."""

import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from prunebench.errors import DamagedFileError
from prunebench.records.merge import MergePlan
from prunebench.records.record import SCHEMA
from prunebench.records.stage import FACTS
from prunebench.records.store_files import DAMAGED
from prunebench.study.stages import Stage
from prunebench.study.store import Store, guard

log = logging.getLogger("prunebench")

Parcel = Mapping[str, bytes]  # by path within the results folder
_RESULTS = ("records", "fidelity")


def supply(store: Store, stages: Iterable[Stage], missing: set[str]) -> dict[str, bytes]:
    """Pack what a worker needs: chosen settings, the facts of finished stages, and the networks that it goes on from.

    missing: keys of the stages that the worker is to compute.
    """
    stages = list(stages)
    networks = {near.key for stage in stages if stage.key in missing for near in stage.needs()}
    networks |= {stage.chain()[1].key for stage in stages if stage.beside}  # compared with plain training
    networks |= {stage.key for stage in stages[-1:]}
    files = list((store.folder / "choices").glob("*.json"))
    for key in dict.fromkeys(stage.key for stage in stages):
        folder = store.stage(key)
        found = folder.iterdir() if key in networks and folder.is_dir() else [folder / FACTS]
        files += [path for path in found if path.is_file()]
    return {path.relative_to(store.folder).as_posix(): path.read_bytes() for path in files}


def unpack(parcel: Parcel, folder: Path) -> None:
    """Write the files of a parcel into a folder."""
    for name, content in parcel.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Note the size and time of each file of finished stages and of results."""
    stages = (path for path in folder.glob("stages/*/*") if path.parent.suffix not in (".part", DAMAGED))
    results = (path for kind in _RESULTS for path in (folder / kind).rglob("*.json"))
    status = ((path.relative_to(folder).as_posix(), path.stat()) for path in (*stages, *results))
    return {name: (found.st_size, found.st_mtime_ns) for name, found in status}


def news(folder: Path, before: Mapping[str, tuple[int, int]]) -> dict[str, bytes]:
    """Pack the results and stages that are new since a snapshot; a stage is packed as a whole."""
    now = snapshot(folder)
    new = {name for name, status in now.items() if before.get(name) != status}
    places = {name.rpartition("/")[0] for name in new if name.startswith("stages/")}
    return {name: (folder / name).read_bytes() for name in now if name in new or name.rpartition("/")[0] in places}


def damaged(folder: Path) -> list[str]:
    """List the keys of supplied stages that were found damaged."""
    return [path.name.partition(".")[0] for path in folder.glob(f"stages/*{DAMAGED}")]


def bring_home(parcel: Parcel, faulty: Iterable[str], store: Store) -> None:
    """Add the files of a parcel to the results folder, as `merge` does. faulty: stages that were found damaged."""
    for key in faulty:
        store.set_aside(store.stage(key), DamagedFileError(f"{store.stage(key)}: damaged"))
    with TemporaryDirectory(prefix="prunebench-") as name, ExitStack() as locks:
        incoming = Path(name)
        unpack({"store.json": json.dumps({"schema_version": SCHEMA}).encode(), **parcel}, incoming)
        plan = MergePlan((store.folder, incoming), store.folder, only=incoming)
        for path in plan.copies:
            if path.parts[0] == "stages":  # another run may compute it at the same time
                locks.enter_context(store.lock(path.name))
        guard(store.folder, plan.write)
    for text in (*plan.contradictions, *plan.left_out):
        log.warning("differs from what is stored: %s", text)
