"""Files of a results folder that state their schema: `store.json`, `run.json`, `timing/*` and `data/*`. Torch-free."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, field_validator, model_validator

from prunebench.records.latency import Latency
from prunebench.records.packed import PICTURES, Packed
from prunebench.records.record import SCHEMA
from prunebench.records.requested import Requested
from prunebench.records.store_files import read_json
from prunebench.records.tuning import Choice
from prunebench.records.validation import Count, Frozen, Items, Name, Text, validated

PNG = b"\x89PNG\r\n\x1a\n"
MOST_CELLS = 500_000  # that a run.json may list as requested: a few of its bytes can stand for billions


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

    criteria: what each criterion is, in a line, by name; empty in older files. untimed: records of cells whose
    benchmark failed; pytest-benchmark drops the entries of these.
    """

    preset: Text | None = None
    command: Text | None = None
    asked: Items[Requested] = ()
    criteria: dict[Name, Text] = Field(default_factory=dict)
    untimed: Items[dict[str, Any]] = ()
    tunings: Items[Choice] = ()
    data: Items["DataFile"] = ()

    @field_validator("asked")
    @classmethod
    def _are_few(cls, asked: tuple[Requested, ...]) -> tuple[Requested, ...]:
        if (cells := sum(one.size for one in asked)) > MOST_CELLS:
            raise ValueError(f"{cells} requested cells, more than {MOST_CELLS}")
        return asked

    @property
    def commands(self) -> list[str]:
        """List the commands that the folder was made by."""
        return commands_of(self.command)


def commands_of(text: str | None) -> list[str]:
    """Split a folder's commands, which stand in the order of their first use.

    >>> commands_of("prunebench tune --results a ; prunebench run --results a"), commands_of(None)
    (['prunebench tune --results a', 'prunebench run --results a'], [])
    """
    return [command for command in (text or "").split(" ; ") if command]


class TimingFile(StoreFile):
    """One file of latencies."""

    latencies: Items[Latency]


class Thumbnail(Frozen):
    """One test picture. picture: its place in the test split, from 0. png: the file, in base64."""

    picture: Count
    png: Annotated[str, Field(max_length=200_000)]

    @field_validator("png")
    @classmethod
    def _is_png(cls, text: str) -> str:
        try:
            start = base64.b64decode(text, validate=True)[: len(PNG)]
        except ValueError:
            start = b""
        if start != PNG:
            raise ValueError("holds no PNG in base64")
        return text


class DataFile(StoreFile):
    """What records do not say of their test pictures: `data/FINGERPRINT.json`.

    labels: true label of every test picture, in the order of the test split. thumbnails: the same for every network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fingerprint: Name
    classes: Annotated[tuple[Name, ...], Field(min_length=2, max_length=100_000)]
    pictures: Annotated[int, Field(ge=1, le=PICTURES)]
    labels: Packed
    thumbnails: Annotated[tuple[Thumbnail, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _check(self) -> "DataFile":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("classes holds a name twice")
        try:
            labels = self.labels.unpack(self.pictures)
        except ValueError as error:
            raise ValueError(f"labels {error}") from None
        if not np.isin(labels, np.arange(len(self.classes))).all():
            raise ValueError(f"labels holds a number that is none of {len(self.classes)} classes")
        if any(one.picture >= self.pictures for one in self.thumbnails):
            raise ValueError(f"thumbnails holds a picture beyond the {self.pictures} test pictures")
        return self

    @property
    def true(self) -> NDArray[np.int64]:
        """True labels, (pictures,)."""
        return self.labels.unpack(self.pictures).astype(np.int64)


S = TypeVar("S", bound=StoreFile)


def read_file(kind: type[S], path: Path) -> S:
    """Read one of these files. Raises a `UserError` that names the file and the first wrong field."""
    return validated(kind, read_json(path), str(path))


def read_data(folder: Path) -> dict[str, DataFile]:
    """Read what a results folder says of its test pictures, by fingerprint."""
    found = [read_file(DataFile, path) for path in sorted((folder / "data").glob("*.json"))]
    return {one.fingerprint: one for one in found}


def united(found: Iterable[DataFile]) -> dict[str, DataFile]:
    """Give one description of each dataset by its fingerprint: of several, the first with the most thumbnails."""
    ordered = sorted(found, key=lambda one: -len(one.thumbnails))
    return {one.fingerprint: one for one in reversed(ordered)}
