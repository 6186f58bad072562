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
    """Immutable; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


F = TypeVar("F", bound=Frozen)


class Cell(Frozen):
    """What was asked for. `metric` is what `keep` is a fraction of: of weights where single ones are removed."""

    dataset: str
    model: str
    criterion: str
    seed: int
    metric: Metric
    keep: float
    ranking: RankingName

    @property
    def task(self) -> str:
        """Dataset x model; single weights are a comparison of their own, never beside units."""
        return f"{self.dataset} x {self.model}" + (", single weights" if self.metric == "weights" else "")


class Cost(Frozen):
    """What a network costs. macs: multiply-accumulates of one picture; bytes: of its parameters and buffers.

    Single weights that were removed are no parameters any more; the rest counts them, as dense kernels do.
    """

    macs: int
    params: int
    units: int
    bytes: int


class Stages(Frozen):
    """A number for the dense network, right after the cut, with BatchNorm re-estimated, and fine-tuned."""

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
        """Give the vector back."""
        return np.frombuffer(zlib.decompress(base64.b64decode(self.data)), np.dtype(self.dtype).newbyteorder("<"))


class PerImage(Frozen):
    """Per test picture, in the order of the test split, of the fine-tuned network.

    predicted: the label it gives; loss: in nats; correct: 1 where the label is right, 0 where not.
    """

    predicted: Packed
    loss: Packed
    correct: Packed


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Epoch:
    """One epoch of one training stage (`dense`, `sparse`, `rung 3`, `finetune`).

    A record holds a hundred of them: with slots, each takes a seventh of what a model takes.
    """

    stage: str
    epoch: int
    rate: float
    loss: float
    validation: float | None = None


class SparseFacts(Frozen):
    """What sparse training did. gradient_ratio: norm of the term's gradient over the loss's, by layer, at the start.

    ineffective: the term fell by less than 5 %: its strength did nothing.
    """

    before: float
    after: float
    gradient_ratio: dict[str, float]
    ineffective: bool


class Environment(Frozen):
    """Where the point was computed and at what cost; never compared.

    seconds: by stage, whoever computed it; cutting_seconds: of them, for scoring, selecting and removing; reused: the
    stages that were found finished; memory: by stage, the most bytes in use, of the process (CPU) or by PyTorch on the
    device; peak_memory: the largest of them.
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
    weights: the same of their weights, where single ones were removed. floors: groups that stand at their floor.
    keep: achieved fraction of macs, params and units, and of weights where single ones were removed.
    protocol: every option that decides the result. evidence: what the criterion asked for. network: the folder under
    stages/ of the results folder that holds the fine-tuned network, for `prunebench.load`. strength: what
    `strength=tuned` stood for.
    """

    schema_version: int = SCHEMA
    key: str
    cell: Cell
    status: Literal["ok", "failed"] = "ok"
    reason: str = ""
    protocol: dict[str, Any]
    fingerprint: str
    evidence: tuple[str, ...] = ()
    accuracy: Stages | None = None
    loss: Stages | None = None
    top5: Stages | None = None
    dense: Cost | None = None
    pruned: Cost | None = None
    keep: dict[str, float] = {}
    widths: dict[str, tuple[int, int]] = {}
    weights: dict[str, tuple[int, int]] = {}
    floors: tuple[str, ...] = ()
    per_image: PerImage | None = None
    curves: tuple[Epoch, ...] = ()
    sparse: SparseFacts | None = None
    strength: float | None = None
    network: str = ""
    environment: Environment | None = None

    @property
    def left(self) -> dict[str, tuple[int, int]]:
        """What is left of every layer, (dense, pruned): of its weights where single ones were removed, else units."""
        return self.weights or self.widths

    def facts(self) -> dict[str, Any]:
        """Everything that two runs of the same command on one CPU share bit for bit."""
        return self.model_dump(mode="json", exclude={"environment"})

    def summary(self) -> str:
        """Say in a few words what came out."""
        keep = f"{self.cell.metric}={self.cell.keep:g}"
        if self.accuracy is None:
            return f"{keep} FAILED: {self.reason}"
        return f"{keep} {100 * self.accuracy.finetuned:.2f} %"


def parse_record(data: Any, where: str) -> Record:
    """Check a record read from JSON; `where` is named in the error."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA:
        raise UserError(f"{where}: record schema {version}, this version reads schema {SCHEMA}")
    return validated(Record, data, f"{where}: corrupt record")


def parse_json(text: bytes, where: str) -> Record:
    """Check a record as JSON text; `where` is named in the error."""
    try:
        record = Record.model_validate_json(text)  # twice as fast as the way over Python objects ...
        if record.schema_version == SCHEMA and "schema_version" in record.model_fields_set:
            return record
    except ValidationError:
        pass
    try:
        data = json.loads(text)  # ... which says what is wrong
    except ValueError as error:
        raise UserError(f"{where}: corrupt record: {error}") from None
    return parse_record(data, where)


def validated(kind: type[F], data: Any, where: str) -> F:
    """Check data read from JSON; the error is one line that begins with `where`."""
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
