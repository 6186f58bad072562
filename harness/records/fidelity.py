"""Data of fidelity: scores of one criterion in one block, and the true changes of the loss. Torch-free."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from prunebench.errors import DamagedFileError
from prunebench.records.packed import Packed
from prunebench.records.protocol import PROTOCOL_VERSION, Options
from prunebench.records.record import SCHEMA
from prunebench.records.validation import (
    Amount,
    Count,
    Frozen,
    Items,
    Name,
    Positive,
    Text,
    parse,
    read_bytes,
    versioned,
)


class ScoreRequest(Frozen):
    """A request: scores of a block's dense network by one criterion."""

    dataset: Name
    model: Name
    criterion: Name
    seed: Count

    @property
    def task(self) -> str:
        """Dataset x model."""
        return f"{self.dataset} x {self.model}"


class Ranked(Frozen):
    """The compared units of one group.

    units: indices in the dense network. of: number of units in the group. halves: mean change of the loss in nats when
    a unit is removed, over each half of the held-out pictures, (units,) each. scores: (units,), low = remove first.
    """

    units: Items[Count] = Field(min_length=1)
    of: Positive
    halves: tuple[Packed, Packed]
    scores: Packed

    @model_validator(mode="after")
    def _check(self) -> "Ranked":
        if sorted(set(self.units)) != list(self.units) or self.units[-1] >= self.of:
            raise ValueError(f"units are not numbers below {self.of} in rising order")
        for name, packed in (("halves", self.halves[0]), ("halves", self.halves[1]), ("scores", self.scores)):
            try:
                values = packed.unpack(len(self.units))
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
            if np.isnan(values).any() or (name == "halves" and not np.isfinite(values).all()):
                raise ValueError(f"{name} holds what is not a number")
        return self


class Fidelity(Frozen):
    """One criterion's scores of one dense network, with the true changes of the loss.

    protocol: the options that decide scores and truth. pictures: number in each half. network: stage of the dense
    network. seconds: of the scores, and of
    the oracle, which all criteria of a block share; never compared.
    """

    schema_version: int = SCHEMA
    protocol_version: Positive = PROTOCOL_VERSION
    key: Name
    cell: ScoreRequest
    status: Literal["ok", "failed"] = "ok"
    reason: Text = ""
    protocol: Options
    fingerprint: Name
    scale: Literal["loss", "arbitrary"] = "arbitrary"
    evidence: tuple[Name, ...] = ()
    pictures: tuple[Count, Count] = (0, 0)
    groups: dict[Name, Ranked] = Field(default_factory=dict)
    network: Text = ""
    seconds: dict[Name, Amount] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "Fidelity":
        if self.groups and not sum(self.pictures):
            raise ValueError("pictures: none, though groups are compared")
        return self

    def facts(self) -> dict[str, Any]:
        """Return the fields that repeat bit for bit in two runs of one command on one CPU."""
        return self.model_dump(mode="json", exclude={"seconds"})

    def scores(self, group: str) -> NDArray[np.float64]:
        """Scores of a group's units, (units,)."""
        return self._unpacked(group, self.groups[group].scores)

    def halves(self, group: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean change of the loss over each half of the pictures, (units,) each."""
        first, second = self.groups[group].halves
        return self._unpacked(group, first), self._unpacked(group, second)

    def _unpacked(self, group: str, packed: Packed) -> NDArray[np.float64]:
        return packed.unpack(len(self.groups[group].units)).astype(np.float64)

    def truth(self, group: str) -> NDArray[np.float64]:
        """Mean change of the loss over all held-out pictures, (units,)."""
        return np.average(self.halves(group), axis=0, weights=self.pictures)

    def summary(self) -> str:
        """Summarise the result in a few words."""
        if self.status == "failed":
            return f"FAILED: {self.reason}"
        units = sum(len(group.units) for group in self.groups.values())
        blocks = self.protocol.get("units") == "blocks"
        return f"{units} residual blocks" if blocks else f"{units} units in {len(self.groups)} groups"


def parse_fidelity(data: Any, where: str) -> Fidelity:
    """Validate data read from JSON. where: name of the source in errors."""
    found = versioned(Fidelity, data, where, "fidelity")
    absent = ["protocol_version"] if "protocol_version" not in found.model_fields_set else []
    absent += ["groups"] if found.status == "ok" and not found.groups else []
    if absent:
        raise DamagedFileError(f"{where}: corrupt fidelity: {absent[0]}: missing")
    return found


def read_fidelity(path: Path) -> Fidelity:
    """Read one fidelity file."""
    return parse_fidelity(parse(read_bytes(path), f"{path}: corrupt fidelity"), str(path))
