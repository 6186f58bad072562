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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import BaseFileLock, FileLock, Timeout
from safetensors import SafetensorError

from prunebench.errors import DamagedFileError, UserError
from prunebench.records.fidelity import Fidelity
from prunebench.records.record import SCHEMA, Record, read_record
from prunebench.records.store_files import DAMAGED, NETWORK, TRIAL, WEIGHTS, read_json

log = logging.getLogger("prunebench")

T = TypeVar("T")


def key_of(parent: str, facts: Mapping[str, Any]) -> str:
    """Hash a stage's parent and facts (JSON values) into 24 hex digits.

    >>> key_of("", {"a": 1, "b": 2}) == key_of("", {"b": 2, "a": 1})
    True
    """
    text = json.dumps([parent, facts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Store:
    """A results folder. make: whether to create a missing folder, and to set damaged files aside."""

    def __init__(self, folder: Path, make: bool = True) -> None:
        self.folder, self.make = folder, make
        if make:
            guard(folder, lambda: (folder / "stages").mkdir(parents=True, exist_ok=True))
        path = folder / "store.json"
        if make and path.is_file() and not path.stat().st_size:  # what a power loss leaves
            self.set_aside(path, DamagedFileError(f"{path}: empty"), "it is written anew")
        if make and not path.exists():
            self.write_json(path, {"schema_version": SCHEMA})
        schema = read_json(path).get("schema_version") if path.exists() else SCHEMA
        if schema != SCHEMA:
            cure = "give another folder with --results"
            raise UserError(f"{folder}: results of schema {schema}, this version writes schema {SCHEMA}; {cure}")

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
        """Write JSON atomically: a reader sees the old file or the new file."""

        def write() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
            try:
                with os.fdopen(handle, "w") as file:
                    json.dump(data, file, separators=(",", ":"))
                Path(name).chmod(0o644)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise

        guard(path, write)

    def lock(self, key: str) -> BaseFileLock:
        """Return a stage's lock, under which one process at a time computes the stage."""
        return FileLock(self.folder / "stages" / f"{key}.lock")

    def stage(self, key: str) -> Path:
        """Folder of a stage, which exists once the stage is finished."""
        return self.folder / "stages" / key

    def has(self, key: str) -> bool:
        """Tell whether a stage is finished and its network still stored."""
        return (self.stage(key) / WEIGHTS).exists()

    def finish_stage(self, key: str, fill: Callable[[Path], object]) -> None:
        """Fill a temporary folder, then move it to the stage's place."""

        def write() -> None:
            part = Path(tempfile.mkdtemp(dir=self.folder / "stages", suffix=".part"))
            try:
                fill(part)
                for file in part.iterdir():
                    file.chmod(0o644)  # safetensors and mkdtemp let the owner alone read
                part.chmod(0o755)
                shutil.rmtree(self.stage(key), ignore_errors=True)
                part.replace(self.stage(key))
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
        lock = self.lock("trials")
        with suppress(Timeout):
            lock.acquire(timeout=0)
        try:
            yield
        finally:
            lock.release()

    def forget_trials(self) -> None:
        """Delete the networks that killed trials left behind. Does nothing while trials run."""
        with suppress(Timeout), self.lock("trials").acquire(timeout=0):
            for path in (self.folder / "stages").glob(f"{TRIAL}*/{WEIGHTS}"):
                self.drop_stage(path.parent.name)

    def record_path(self, record: Record) -> Path:
        """Path of a record: readable names, made unique by the key."""
        cell = record.cell
        folder = self.folder / "records" / _slug(f"{cell.dataset}-{cell.model}") / _slug(cell.criterion)
        return folder / f"{cell.ranking}-seed{cell.seed}-{cell.metric}{cell.keep:g}-{record.key[:8]}.json"

    def fidelity_path(self, found: Fidelity) -> Path:
        """Path of the fidelity of one criterion in one block."""
        cell = found.cell
        folder = self.folder / "fidelity" / _slug(f"{cell.dataset}-{cell.model}") / _slug(cell.criterion)
        return folder / f"seed{cell.seed}-{found.key[:8]}.json"

    def put(self, record: Record) -> None:
        """Write a record."""
        self.write_json(self.record_path(record), record.model_dump(mode="json"))

    def get(self, blank: Record) -> Record | None:
        """Read the finished record of a cell and key; None where it is missing, failed or damaged."""
        record = self.stored(self.record_path(blank), read_record)
        return record if record and record.status == "ok" and record.key == blank.key else None

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


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() or c in "._-+=" else "_" for c in text)[:100]
