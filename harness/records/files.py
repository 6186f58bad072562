"""Files of a results folder that state their schema: `store.json`, `run.json` and `timing/*.json`. Torch-free."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, field_validator

from prunebench.records.latency import Latency
from prunebench.records.record import SCHEMA
from prunebench.records.requested import Requested
from prunebench.records.store_files import read_json
from prunebench.records.tuning import Choice
from prunebench.records.validation import Frozen, Text, validated


class StoreFile(Frozen):
    """A file, or a part of one, that states its schema: `store.json`, which says nothing else."""

    model_config = ConfigDict(extra="ignore")

    schema_version: int

    @field_validator("schema_version")
    @classmethod
    def _is_ours(cls, version: int) -> int:
        if version != SCHEMA:
            raise ValueError(f"schema {version}, this version reads schema {SCHEMA}; use the version that wrote it")
        return version


class RunFile(StoreFile):
    """The facts of a run: `run.json`, and the part of a benchmark JSON that the suite adds.

    untimed: records of cells whose benchmark failed; pytest-benchmark drops the entries of these.
    """

    preset: Text | None = None
    command: Text | None = None
    asked: tuple[Requested, ...] = ()
    untimed: tuple[dict[str, Any], ...] = ()
    tunings: tuple[Choice, ...] = ()

    @property
    def commands(self) -> list[str]:
        """List the commands that the folder was made by."""
        return [command for command in (self.command or "").split(" ; ") if command]


class TimingFile(StoreFile):
    """One file of latencies."""

    latencies: tuple[Latency, ...]


S = TypeVar("S", bound=StoreFile)


def read_file(kind: type[S], path: Path) -> S:
    """Read one of these files. Raises a `UserError` that names the file and the first wrong field."""
    return validated(kind, read_json(path), str(path))
