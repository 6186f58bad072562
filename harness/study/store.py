"""The store: a folder of records, networks and timings.

Writes are atomic. A key is the hash of everything that decides a result.
"""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from prunebench.errors import DamagedFileError, UserError
from prunebench.records.fidelity import Fidelity
from prunebench.records.record import SCHEMA, Cell, Record, read_record
from prunebench.records.store_files import DAMAGED, FAILED, NETWORK, TRIAL, WEIGHTS, mark_failed, read_json
from prunebench.records.validation import short

log = logging.getLogger("prunebench")

T = TypeVar("T")

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_PART, _LOCK = ".part", ".lock"
_WRITING = "writing"  # the lock under which JSON files are written
ANALYSES = "analyses"
_WRITTEN = ("records", "fidelity", "choices", "timing", "data", ANALYSES)  # folders of JSON files
_NO_FSYNC = (errno.EINVAL, errno.ENOTSUP)  # of systems that cannot flush a folder


def encode(facts: Mapping[str, Any]) -> str:
    """Write facts (JSON values) as keys hash them.

    >>> encode({"b": 2, "a": None})
    '{"a":null,"b":2}'
    """
    return _ENCODER.encode(facts)


def key_of(parent: str, facts: Mapping[str, Any] | str) -> str:
    """Hash a stage's parent and facts (JSON values, or encoded) into 24 hex digits.

    >>> key_of("", {"a": 1, "b": 2}) == key_of("", {"b": 2, "a": 1}) == key_of("", encode({"a": 1, "b": 2}))
    True
    """
    text = facts if isinstance(facts, str) else encode(facts)
    return hashlib.sha256(f"[{_ENCODER.encode(parent)},{text}]".encode()).hexdigest()[:24]


class Store:
    """A results folder. make: whether to create a missing folder, and to set damaged files aside."""

    def __init__(self, folder: Path, make: bool = True) -> None:
        self.folder, self.make = folder, make
        if make:
            guard(folder, lambda: make_folder(folder / "stages"))
        path = folder / "store.json"
        if make and path.is_file() and not path.stat().st_size:  # what a power loss leaves
            self.set_aside(path, DamagedFileError(f"{path}: empty"), "it is written anew")
        if make and not path.exists():
            self.write_json(path, {"schema_version": SCHEMA})
        schema = read_json(path).get("schema_version") if path.exists() else SCHEMA
        if schema != SCHEMA:
            cure = "give another folder with --results"
            raise UserError(f"{folder}: results of schema {short(schema)}, this version writes schema {SCHEMA}; {cure}")

    @property
    def writable(self) -> bool:
        """Tell whether the folder can be written; a finished grid can be read without."""
        return os.access(self.folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)

    def set_aside(self, path: Path, error: DamagedFileError, then: str = "it is computed again") -> None:
        """Rename a damaged file or stage to `NAME.damaged`. The log names it. then: what becomes of its content."""
        number, aside = 1, path.with_name(f"{path.name}{DAMAGED}")
        while aside.exists():
            number += 1
            aside = path.with_name(f"{path.name}.{number}{DAMAGED}")

        def rename() -> None:
            with suppress(FileNotFoundError):  # another process was faster
                path.rename(aside)

        if self.make:
            guard(path, rename)
            log.warning("%s; set aside as %s; %s", error, aside.name, then)

    def write_json(self, path: Path, data: Any) -> None:
        """Write JSON atomically: a reader sees the old file or the new file, also after a power loss."""

        def write() -> None:
            make_folder(path.parent)
            with self.lock(_WRITING):
                handle, name = tempfile.mkstemp(dir=path.parent, suffix=_PART)
                try:
                    with os.fdopen(handle, "w") as file:
                        json.dump(data, file, separators=(",", ":"))
                    Path(name).chmod(0o644)
                    put(Path(name), path)
                except BaseException:
                    Path(name).unlink(missing_ok=True)
                    raise

        guard(path, write)

    @contextmanager
    def lock(self, key: str, wait: bool = True) -> Iterator[None]:
        """Hold a stage's lock, under which one process at a time computes the stage.

        Only a killed process leaves the lock's file. Raises `Timeout` where another process holds the lock, unless this
        one is to wait.
        """
        path = self.folder / "stages" / f"{key}{_LOCK}"
        with FileLock(path).acquire(timeout=-1 if wait else 0):
            try:
                yield
            finally:
                with suppress(OSError):
                    path.unlink()  # while it is held: whoever waits for it sees that it is gone, and makes another

    def stage(self, key: str) -> Path:
        """Folder of a stage, which exists once the stage is finished."""
        return self.folder / "stages" / key

    def has(self, key: str) -> bool:
        """Tell whether a stage is finished and its network still stored."""
        return (self.stage(key) / WEIGHTS).exists()

    def finish_stage(self, key: str, fill: Callable[[Path], object]) -> None:
        """Fill a temporary folder, then move it to the stage's place. The caller holds the stage's lock."""

        def write() -> None:
            part = self.folder / "stages" / f"{key}{_PART}"
            shutil.rmtree(part, ignore_errors=True)  # of a killed process
            part.mkdir()
            try:
                fill(part)
                for file in part.iterdir():
                    file.chmod(0o644)  # safetensors lets the owner alone read
                part.chmod(0o755)
                shutil.rmtree(self.stage(key), ignore_errors=True)
                put(part, self.stage(key))
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise

        guard(self.folder, write)

    def drop_stage(self, key: str) -> None:
        """Delete a stage's network. The stage's facts stay, because later records need them."""
        if not self.has(key):
            return
        with self.lock(key):
            for name in NETWORK:
                (self.stage(key) / name).unlink(missing_ok=True)

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Hold a lock while trials run, so that no other process deletes the trials' networks."""
        with ExitStack() as stack:
            with suppress(Timeout):
                stack.enter_context(self.lock("trials", wait=False))
            yield

    def forget_leftovers(self) -> bool:
        """Delete the parts and locks that killed processes left. Tells whether there were any.

        A part is deleted under the lock that its writer would hold.
        """
        stages = self.folder / "stages"
        keys = {path.name.removesuffix(end) for end in (_PART, _LOCK) for path in stages.glob(f"*{end}")}
        found = [self._forget(key) for key in sorted(keys | {_WRITING})]
        return any(found)

    def _forget(self, key: str) -> bool:
        stages = self.folder / "stages"
        locked, left = (stages / f"{key}{_LOCK}").exists(), [stages / f"{key}{_PART}"]
        if key == _WRITING:
            left += self.folder.glob(f"tmp*{_PART}")
            left += (part for kind in _WRITTEN for part in (self.folder / kind).rglob(f"tmp*{_PART}"))
        left = [path for path in left if path.exists()]
        with suppress(OSError, Timeout), self.lock(key, wait=False):
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            return locked or bool(left)  # the lock's own end deletes its file
        return False

    def forget_trials(self) -> None:
        """Delete the networks that killed trials left behind. Does nothing while trials run."""
        with suppress(Timeout), self.lock("trials", wait=False):
            for path in (self.folder / "stages").glob(f"{TRIAL}*/{WEIGHTS}"):
                self.drop_stage(path.parent.name)

    def record_path(self, record: Record) -> Path:
        """Path of a record: readable names, made unique by the key."""
        return self.folder / record_name(record.cell, record.key)

    def finished_records(self, failed: bool = False) -> set[str]:
        """Return the names of finished points' records, see `record_name`. Reads none. failed: whether these count."""
        found = set(self._names("records"))
        marked = set() if failed else {name.removesuffix(FAILED) for name in found if name.endswith(FAILED)}
        return {name for name in found if name.endswith(".json") and name.removesuffix(".json") not in marked}

    def finished_stages(self) -> set[str]:
        """Return the keys of the finished stages, whose networks may be gone."""
        with suppress(FileNotFoundError):
            return {entry.name for entry in os.scandir(self.folder / "stages") if "." not in entry.name}
        return set()

    def _names(self, kind: str) -> Iterator[str]:
        for place, _, names in os.walk(self.folder / kind):
            inner = Path(place).relative_to(self.folder).as_posix()
            yield from (f"{inner}/{name}" for name in names)

    def fidelity_path(self, found: Fidelity) -> Path:
        """Path of the fidelity of one criterion in one block."""
        cell = found.cell
        folder = self.folder / "fidelity" / _slug(f"{cell.dataset}-{cell.model}") / _slug(cell.criterion)
        return folder / f"seed{cell.seed}-{found.key[:8]}.json"

    def put(self, record: Record) -> None:
        """Write a record. An empty file beside it marks a failed point, so that its name alone tells."""
        path = self.record_path(record)
        self.write_json(path, record.model_dump(mode="json"))
        guard(path, lambda: mark_failed(path, record.status == "failed"))

    def get(self, blank: Record, failed: bool = False) -> Record | None:
        """Read the finished record of a cell and key; None where it is missing, damaged, or failed and not wanted."""
        record = self.stored(self.record_path(blank), read_record)
        return record if record and record.key == blank.key and (failed or record.status == "ok") else None

    def stored(self, path: Path, read: Callable[[Path], T], then: str = "it is computed again") -> T | None:
        """Read a file; None where it is missing or damaged. A damaged file is set aside, see `set_aside`."""
        if not path.exists():
            return None
        with suppress(OSError):  # a folder that can only be read
            os.utime(path)  # reports take the newest record of a cell, so it must be the last one requested
        try:
            return read(path)
        except DamagedFileError as error:
            self.set_aside(path, error, then)
            return None


def guard(place: Path, action: Callable[[], None], option: str = "--results") -> None:
    """Do a write. Turns a full disk and a folder that cannot be written into a `UserError`.

    option: what names another place.
    """
    try:
        action()
        return
    except OSError as error:
        number, what = error.errno, error.strerror
    except SafetensorError as error:  # holds the system's error as a text
        code = re.search(r"os error (\d+)", str(error))
        number, what = int(code[1]) if code else None, str(error)
    if number == errno.ENOSPC:
        raise UserError(f"{place}: the disk is full; finished points are kept, free some space and run again")
    raise UserError(f"{place}: cannot be written: {what}; give another folder with {option}")


def make_folder(path: Path) -> None:
    """Create a folder and its parents where they are missing; they outlast a power loss."""
    new = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for one in reversed(new):
        _flush(one.parent)


def put(part: Path, path: Path) -> None:
    """Move a file or folder to its place. After a power loss, all of it is there or nothing.

    So its content reaches the disk first, then its new name.
    """
    for file in part.iterdir() if part.is_dir() else ():
        _flush(file)
    _flush(part)
    part.replace(path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise
    finally:
        os.close(handle)


def record_name(cell: Cell, key: str) -> str:
    """Name the file of a record within the results folder."""
    folder = f"records/{_slug(f'{cell.dataset}-{cell.model}')}/{_slug(cell.criterion)}"
    return f"{folder}/{cell.ranking}-seed{cell.seed}-{cell.metric}{cell.keep:g}-{key[:8]}.json"


@lru_cache(maxsize=4096)  # a grid has few names, and each of them for many points
def _slug(text: str) -> str:
    return "".join(c if c.isalnum() or c in "._-+=" else "_" for c in text)[:100]
