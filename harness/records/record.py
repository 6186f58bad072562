"""The record: the facts of one point (one requested keep of one criterion in one block), as JSON. Torch-free."""

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from prunebench.errors import UserError
from prunebench.records.names import Metric, RankingName

SCHEMA = 1


class Frozen(BaseModel):
    """Immutable model that refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


F = TypeVar("F", bound=Frozen)


class Cell(Frozen):
    """Request for one point. metric: what `keep` is a fraction of; `weights` removes single weights."""

    dataset: str
    model: str
    criterion: str
    seed: int
    metric: Metric
    keep: float
    ranking: RankingName

    @property
    def task(self) -> str:
        """Dataset x model. Pruning of single weights is a task of its own, never compared with units."""
        return f"{self.dataset} x {self.model}" + (", single weights" if self.metric == "weights" else "")


class Cost(Frozen):
    """Costs of a network. macs: multiply-accumulates of one picture. bytes: of parameters and buffers.

    Single weights that were removed still count in macs, units and bytes, as for dense kernels, but not in params.
    """

    macs: int
    params: int
    units: int
    bytes: int


class StageValues(Frozen):
    """One number at four moments: dense, right after the cut, with BatchNorm re-estimated, fine-tuned."""

    dense: float
    cut: float
    cut_bn: float
    finetuned: float


class Packed(Frozen):
    """A numeric vector, little-endian, zlib-compressed, in base64."""

    dtype: str
    data: str

    @classmethod
    def pack(cls, values: Sequence[float] | NDArray[Any], dtype: str) -> "Packed":
        """Pack a vector.

        >>> Packed.pack([1, 0, 2], "uint8").unpack().tolist()
        [1, 0, 2]
        """
        raw = np.asarray(values).astype(np.dtype(dtype).newbyteorder("<")).tobytes()
        return cls(dtype=dtype, data=base64.b64encode(zlib.compress(raw, 9)).decode())

    def unpack(self) -> NDArray[Any]:
        """Return the vector."""
        return np.frombuffer(zlib.decompress(base64.b64decode(self.data)), np.dtype(self.dtype).newbyteorder("<"))


class PerPicture(Frozen):
    """Results of the fine-tuned network per test picture, in the order of the test split.

    predicted: label; loss: in nats; correct: 1 where the label is right, else 0.
    """

    predicted: Packed
    loss: Packed
    correct: Packed


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Epoch:
    """One epoch of one training stage (`dense`, `sparse`, `rung 3`, `finetune`).

    A record holds about a hundred. A dataclass with slots takes a seventh of the memory of a pydantic model.
    """

    stage: str
    epoch: int
    rate: float
    loss: float
    validation: float | None = None


class SparseFacts(Frozen):
    """Effect of sparse training on the regulariser's term.

    before, after: the term. gradient_ratio: gradient norm of the term over that of the loss, by layer, at the start.
    ineffective: the term fell by less than 5 %, so the strength did nothing.
    """

    before: float
    after: float
    gradient_ratio: dict[str, float]
    ineffective: bool


class Environment(Frozen):
    """Where the point was computed and at what cost; never compared.

    seconds: of each stage, also where an earlier run computed it. cutting_seconds: part of the seconds spent on
    scoring, selection and removal. reused: stages that were already finished. memory: peak bytes of each stage, of the
    process on a CPU, else of PyTorch on the device. peak_memory: largest of these peaks.
    """

    versions: dict[str, str]
    device: str
    cpu: str
    threads: int
    commit: str | None
    seconds: dict[str, float]
    cutting_seconds: float
    reused: tuple[str, ...]
    memory: dict[str, int] = {}
    peak_memory: int


class Record(Frozen):
    """The facts of one point.

    widths: output units of every convolution and linear layer, (dense, pruned), in the order of the model.
    weights: number of weights of the same layers, where single weights were removed. floors: groups at their floor.
    keep: achieved fraction of macs, params and units, and of weights where single weights were removed. protocol: every
    option that decides the result. evidence: what the criterion asked for. network: folder under stages/ that holds the
    fine-tuned network, for `prunebench.load`. strength: the number that replaced `strength=tuned`.
    """

    schema_version: int = SCHEMA
    key: str
    cell: Cell
    status: Literal["ok", "failed"] = "ok"
    reason: str = ""
    protocol: dict[str, Any]
    fingerprint: str
    evidence: tuple[str, ...] = ()
    accuracy: StageValues | None = None
    loss: StageValues | None = None
    top5: StageValues | None = None
    dense: Cost | None = None
    pruned: Cost | None = None
    keep: dict[str, float] = {}
    widths: dict[str, tuple[int, int]] = {}
    weights: dict[str, tuple[int, int]] = {}
    floors: tuple[str, ...] = ()
    per_image: PerPicture | None = None
    curves: tuple[Epoch, ...] = ()
    sparse: SparseFacts | None = None
    strength: float | None = None
    network: str = ""
    environment: Environment | None = None

    @property
    def remaining(self) -> dict[str, tuple[int, int]]:
        """Number of weights of every layer where single weights were removed, else of units: (dense, pruned)."""
        return self.weights or self.widths

    def facts(self) -> dict[str, Any]:
        """Return the fields that repeat bit for bit in two runs of one command on one CPU."""
        return self.model_dump(mode="json", exclude={"environment"})

    def summary(self) -> str:
        """Summarise the result in a few words."""
        keep = f"{self.cell.metric}={self.cell.keep:g}"
        if self.accuracy is None:
            return f"{keep} FAILED: {self.reason}"
        return f"{keep} {100 * self.accuracy.finetuned:.2f} %"


def parse_record(data: Any, where: str) -> Record:
    """Validate a record read from JSON. where: name of the source in errors."""
    return versioned(Record, data, where, "record")


def parse_json(text: bytes, where: str) -> Record:
    """Validate a record as JSON text. where: name of the source in errors."""
    try:
        record = Record.model_validate_json(text)  # twice as fast as validating Python objects
        if record.schema_version == SCHEMA and "schema_version" in record.model_fields_set:
            return record
    except ValidationError:
        pass
    try:
        data = json.loads(text)  # the slow way says what is wrong
    except ValueError as error:
        raise UserError(f"{where}: corrupt record: {error}") from None
    return parse_record(data, where)


def versioned(kind: type[F], data: Any, where: str, what: str) -> F:
    """Validate data read from JSON whose `schema_version` must be the kind's own. where, what: for errors."""
    wanted = kind.model_fields["schema_version"].default
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != wanted:
        cure = "use the version that wrote it"
        raise UserError(f"{where}: {what} schema {version}, this version reads schema {wanted}; {cure}")
    return validated(kind, data, f"{where}: corrupt {what}")


def validated(kind: type[F], data: Any, where: str) -> F:
    """Validate data read from JSON. Raises a `UserError` of one line that begins with `where`."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{where}: {place}: {first['msg']}") from None


def read_record(path: Path) -> Record:
    """Read one record file."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return parse_json(text, str(path))
