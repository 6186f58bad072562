"""The record: the facts of one point (one requested keep of one criterion in one block), as JSON. Torch-free."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from prunebench.errors import DamagedFileError
from prunebench.records.names import Metric, RankingName
from prunebench.records.packed import DensePerPicture, PerPicture
from prunebench.records.protocol import PROTOCOL_VERSION, Options
from prunebench.records.selection import SelectionFacts
from prunebench.records.sparse import ChoiceChange, PushedUnits, SparseFacts, did_nothing
from prunebench.records.validation import (
    Amount,
    Count,
    Fraction,
    Frozen,
    Items,
    Name,
    Number,
    Positive,
    Share,
    Text,
    parse,
    read_bytes,
    versioned,
)

SCHEMA = 3


class Cell(Frozen):
    """Request for one point. metric: what `keep` is a fraction of; `weights` removes single weights."""

    dataset: Name
    model: Name
    criterion: Name
    seed: Count
    metric: Metric
    keep: Share
    ranking: RankingName

    @property
    def task(self) -> str:
        """Dataset x model. Pruning of single weights is a task of its own, never compared with units."""
        return f"{self.dataset} x {self.model}" + (", single weights" if self.metric == "weights" else "")


class Cost(Frozen):
    """Costs of a network. macs: multiply-accumulates of one picture. bytes: of parameters and buffers.

    Single weights that were removed still count in macs, units and bytes, as for dense kernels, but not in params.
    """

    macs: Positive
    params: Positive
    units: Positive
    bytes: Positive


class WeightCount(Frozen):
    """Number of weights of the convolutions and linear layers of a network, without biases.

    near_zero: weights whose absolute value is below 1e-4. layers: both numbers of each layer, in the order of the
    model; empty in older records.
    """

    weights: Positive
    near_zero: Count
    layers: dict[Name, tuple[Positive, Count]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "WeightCount":
        if self.near_zero > self.weights:
            raise ValueError(f"near_zero: {self.near_zero} of {self.weights} weights, which is more than there are")
        sums = tuple(map(sum, zip(*self.layers.values(), strict=True)))
        if self.layers and sums != (self.weights, self.near_zero):
            raise ValueError(f"layers: {sums} weights and near zero, but {(self.weights, self.near_zero)} in all")
        return self


class StageValues(Frozen):
    """One number at four moments: dense, right after the cut, with BatchNorm re-estimated, fine-tuned.

    repaired: after the repair of the protocol; None where there was none.
    """

    dense: Amount
    cut: Amount
    cut_bn: Amount
    repaired: Amount | None = None
    finetuned: Amount


def _fractions(values: StageValues) -> StageValues:
    for moment, value in values:
        if value is not None and value > 1:
            raise ValueError(f"{moment} is {value:g}, which is more than 1")
    return values


Accuracies = Annotated[StageValues, AfterValidator(_fractions)]
Left = tuple[Positive, Count]  # dense, pruned


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Epoch:
    """One epoch of one training stage (`dense`, `sparse`, `rung 3`, `finetune`).

    A record holds about a hundred. A dataclass with slots takes a seventh of the memory of a pydantic model.
    """

    stage: Name
    epoch: Count
    rate: Amount
    loss: float
    validation: Fraction | None = None


class Environment(Frozen):
    """Where the point was computed and at what cost. Decides how exactly `merge` compares two records of one point.

    versions: of the packages. device: of the training. cpu: name of the processor. threads: of this process. commit: of
    the checkout, if there is one. kernels: CPU kernel set of each stage, which decides the last digits, such as `AVX2,
    oneDNN`. seconds: of each stage, also where an earlier run computed it. cutting_seconds: part of the seconds spent
    on scoring, selection and removal; a second scoring with other draws is among the seconds, but not in this part.
    repairing_seconds: part spent on repairs after the cuts. reused: stages that were already finished. memory: peak
    bytes of each stage, of the process on a CPU, else of PyTorch on the device. peak_memory: largest of these peaks.
    steps: of the optimiser in each stage; empty in older records.
    """

    versions: dict[Name, Text]
    device: Text
    cpu: Text
    kernels: dict[Name, Text] = Field(default_factory=dict)
    threads: Positive
    commit: Text | None
    seconds: dict[Name, Amount]
    cutting_seconds: Amount
    repairing_seconds: Amount = 0.0
    reused: tuple[Name, ...]
    memory: dict[Name, Count] = Field(default_factory=dict)
    peak_memory: Count
    steps: dict[Name, Count] = Field(default_factory=dict)


class Record(Frozen):
    """The facts of one point.

    key: hash of all that decides the result. cell: what was asked for. status: failed points have no results. reason:
    why the point failed. fingerprint: hash of the data. accuracy, loss: on the whole test split. top5: from 100 classes
    on. dense, pruned: costs of the two networks. per_image: result of each test picture. dense_per_image: labels that
    the dense network predicted. weight_counts: of the dense and of the fine-tuned network; both are absent in older
    records. curves: epochs of all stages. sparse: what the regulariser's term did. environment: where and at what cost;
    not compared. widths: output units of every convolution and linear layer, (dense, pruned), in the order of the
    model. weights: number of weights of the same layers, where single weights were removed. blocks: names of the
    residual blocks that were removed, where blocks are. floors: groups at their floor. selection: how sure the choices
    of units were, in all cuts down to the point; absent for controls. keep: achieved fraction of macs, params and
    units, and of weights where single weights were removed. protocol: every option that decides the result.
    protocol_version: see `prunebench.records.protocol`. evidence: what the criterion
    asked for. network: folder under stages/ that holds the fine-tuned network, for `prunebench.load`. strength: the
    number that replaced `strength=tuned`. pushed: where sparse training chose units to push to zero. change: None
    without a regulariser in sparse training. not_compared: why the choice of units could not be compared with plain
    training's; a later run compares again.
    """

    schema_version: int = SCHEMA
    protocol_version: Positive = PROTOCOL_VERSION
    key: Name
    cell: Cell
    status: Literal["ok", "failed"] = "ok"
    reason: Text = ""
    protocol: Options
    fingerprint: Name
    evidence: tuple[Name, ...] = ()
    accuracy: Accuracies | None = None
    loss: StageValues | None = None
    top5: Accuracies | None = None
    dense: Cost | None = None
    pruned: Cost | None = None
    keep: dict[Name, Share] = Field(default_factory=dict)
    widths: dict[Name, Left] = Field(default_factory=dict)
    weights: dict[Name, Left] = Field(default_factory=dict)
    blocks: tuple[Name, ...] = ()
    floors: tuple[Name, ...] = ()
    selection: SelectionFacts | None = None
    per_image: PerPicture | None = None
    dense_per_image: DensePerPicture | None = None
    weight_counts: tuple[WeightCount, WeightCount] | None = None
    curves: Items[Epoch] = ()
    sparse: SparseFacts | None = None
    pushed: PushedUnits | None = None
    change: ChoiceChange | None = None
    not_compared: Text = ""
    strength: Number | None = None
    network: Text = ""
    environment: Environment | None = None

    @model_validator(mode="after")
    def _check(self) -> "Record":
        for name in ("widths", "weights"):
            for layer, (dense, left) in getattr(self, name).items():
                if left > dense:
                    raise ValueError(f"{name}.{layer}: {left} of {dense} are left, which is more than there were")
        if self.dense and self.pruned:
            for cost in ("macs", "params", "units"):
                before, after = getattr(self.dense, cost), getattr(self.pruned, cost)
                if after > before:
                    raise ValueError(f"pruned.{cost}: {after} is more than the dense network's {before}")
        if self.accuracy and self.per_image:
            right = self.per_image.share_right
            if abs(right - self.accuracy.finetuned) > 1e-6:
                claimed = f"{self.accuracy.finetuned:g}, but {right:g} of the pictures are classified right"
                raise ValueError(f"accuracy.finetuned: {claimed}")
        self._check_counts()
        return self

    def _check_counts(self) -> None:
        if self.per_image and self.dense_per_image and self.per_image.pictures != self.dense_per_image.pictures:
            known, wanted = self.dense_per_image.pictures, self.per_image.pictures
            raise ValueError(f"dense_per_image.pictures: {known}, but per_image has {wanted}")
        if self.weight_counts and self.weight_counts[1].weights > self.weight_counts[0].weights:
            dense, left = (one.weights for one in self.weight_counts)
            raise ValueError(f"weight_counts: {left} of {dense} are left, which is more than there were")

    @property
    def ineffective(self) -> bool:
        """Tell whether the regulariser of sparse training did nothing, see `did_nothing`."""
        return did_nothing(self.sparse, self.change)

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
        text = f"{keep} {100 * self.accuracy.finetuned:.2f} %"
        if self.selection and self.selection.constant:
            text += f" (score constant in {len(self.selection.constant)} of {self.selection.groups} groups)"
        return text


def parse_record(data: Any, where: str) -> Record:
    """Validate a record read from JSON. where: name of the source in errors."""
    record = versioned(Record, data, where, "record")
    if name := _missing(record):
        raise DamagedFileError(f"{where}: corrupt record: {name}: missing")
    return record


def _missing(record: Record) -> str:
    """Name the first field that a record's file must hold and does not; empty where all are there."""
    wanting = [name for name in ("schema_version", "protocol_version") if name not in record.model_fields_set]
    if record.status == "ok":
        wanting += [name for name in ("accuracy", "dense", "pruned") if getattr(record, name) is None]
        needed = ("macs", "params", "units", record.cell.metric)
        wanting += [f"keep.{metric}" for metric in needed if metric not in record.keep]
    return next(iter(wanting), "")


def parse_json(text: bytes, where: str) -> Record:
    """Validate a record as JSON text. where: name of the source in errors."""
    try:
        record = Record.model_validate_json(text)  # twice as fast as validating Python objects
        if record.schema_version == SCHEMA and not _missing(record):
            return record
    except ValidationError:
        pass
    return parse_record(parse(text, f"{where}: corrupt record"), where)  # the slow way says what is wrong


def read_record(path: Path) -> Record:
    """Read one record file. Raises a `UserError` that names the file and the first wrong field."""
    return parse_json(read_bytes(path), str(path))
