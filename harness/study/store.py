"""The store: a folder of records, networks and timings.

Writes are atomic; keys are hashes of all that decides a result.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout
from safetensors import SafetensorError

from prunebench.errors import UserError
from prunebench.records.fidelity import Fidelity
from prunebench.records.files import GATES, MASKS, TRIAL, WEIGHTS, read_json
from prunebench.records.record import SCHEMA, Record, read_record


def key_of(parent: str, facts: Mapping[str, Any]) -> str:
    """Hash a stage's parent and facts (JSON values) into 24 hex digits.

    >>> key_of("", {"a": 1, "b": 2}) == key_of("", {"b": 2, "a": 1})
    True
    """
    text = json.dumps([parent, facts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Store:
    """A results folder. make: whether it is made where it is not there."""

    def __init__(self, folder: Path, make: bool = True) -> None:
        self.folder = folder
        if make:
            guard(folder, lambda: (folder / "stages").mkdir(parents=True, exist_ok=True))
        self._check_schema(folder / "store.json", make)

    def _check_schema(self, path: Path, make: bool) -> None:
        if not path.exists():
            if make:
                self.write_json(path, {"schema_version": SCHEMA})
            return
        found = read_json(path).get("schema_version")
        if found != SCHEMA:
            raise UserError(
                f"{self.folder}: results of schema {found}, this version writes {SCHEMA}: use another folder"
            )

    def write_json(self, path: Path, data: Any) -> None:
        """Write JSON so that a reader sees the old file or the new one, never a part."""

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
        """Let one process at a time compute a stage."""
        return FileLock(self.folder / "stages" / f"{key}.lock")

    def stage(self, key: str) -> Path:
        """Folder of a stage; it exists when the stage is finished."""
        return self.folder / "stages" / key

    def has(self, key: str) -> bool:
        """Tell whether a stage is finished and its network still there."""
        return (self.stage(key) / WEIGHTS).exists()

    def finish_stage(self, key: str, fill: Callable[[Path], None]) -> None:
        """Fill a folder aside, then move it into place."""

        def write() -> None:
            part = Path(tempfile.mkdtemp(dir=self.folder / "stages", suffix=".part"))
            try:
                fill(part)
                shutil.rmtree(self.stage(key), ignore_errors=True)
                part.replace(self.stage(key))
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise

        guard(self.folder, write)

    def drop_stage(self, key: str) -> None:
        """Forget a stage's network; its facts stay, for records that are made of them later."""
        if not self.has(key):
            return
        with self.lock(key):
            for name in (WEIGHTS, GATES, MASKS):  # in this order: without weights a stage is not finished
                (self.stage(key) / name).unlink(missing_ok=True)

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Say that trials are at work, so that others leave their networks alone."""
        lock = self.lock("trials")
        with suppress(Timeout):
            lock.acquire(timeout=0)
        try:
            yield
        finally:
            lock.release()

    def forget_trials(self) -> None:
        """Forget the networks that trials left behind which were killed; not while trials are at work."""
        with suppress(Timeout), self.lock("trials").acquire(timeout=0):
            for path in (self.folder / "stages").glob(f"{TRIAL}*/{WEIGHTS}"):
                self.drop_stage(path.parent.name)

    def record_path(self, record: Record) -> Path:
        """Where a record lies: readable for a person, unique by its key."""
        cell = record.cell
        folder = self.folder / "records" / _slug(f"{cell.dataset}-{cell.model}") / _slug(cell.criterion)
        return folder / f"{cell.ranking}-seed{cell.seed}-{cell.metric}{cell.keep:g}-{record.key[:8]}.json"

    def fidelity_path(self, found: Fidelity) -> Path:
        """Where the scores of one criterion and block lie."""
        cell = found.cell
        folder = self.folder / "fidelity" / _slug(f"{cell.dataset}-{cell.model}") / _slug(cell.criterion)
        return folder / f"seed{cell.seed}-{found.key[:8]}.json"

    def put(self, record: Record) -> None:
        """Write a record."""
        self.write_json(self.record_path(record), record.model_dump(mode="json"))

    def get(self, blank: Record) -> Record | None:
        """Read the finished record of a cell and key; a failed one does not count."""
        path = self.record_path(blank)
        if not path.exists():
            return None
        os.utime(path)  # the newest record of a cell is the one that was asked for last
        record = read_record(path)
        return record if record.status == "ok" and record.key == blank.key else None


def guard(place: Path, action: Callable[[], None]) -> None:
    """Turn a full disk or a folder that cannot be written into a `UserError`."""
    try:
        action()
        return
    except OSError as error:
        number, what = error.errno, error.strerror
    except SafetensorError as error:  # it passes the system's error on as a text
        found = re.search(r"os error (\d+)", str(error))
        number, what = int(found[1]) if found else None, str(error)
    if number == errno.ENOSPC:
        raise UserError(f"{place}: the disk is full; finished points are kept, free some space and run again")
    raise UserError(f"{place}: cannot be written: {what}; give another folder with --results")


def _slug(text: str) -> str:
    return "".join(c if c.isalnum() or c in "._-+=" else "_" for c in text)[:100]
