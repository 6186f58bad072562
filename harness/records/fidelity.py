"""Data of fidelity: scores of one criterion in one block, and the true changes of the loss. Torch-free."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from prunebench.errors import UserError
from prunebench.records.record import SCHEMA, Frozen, Packed, versioned


class ScoreRequest(Frozen):
    """A request: scores of a block's dense network by one criterion."""

    dataset: str
    model: str
    criterion: str
    seed: int

    @property
    def task(self) -> str:
        """Dataset x model."""
        return f"{self.dataset} x {self.model}"


class Ranked(Frozen):
    """The compared units of one group.

    units: indices in the dense network. of: number of units in the group. halves: mean change of the loss in nats when
    a unit is removed, over each half of the held-out pictures, (units,) each. scores: (units,), low = remove first.
    """

    units: tuple[int, ...]
    of: int
    halves: tuple[Packed, Packed]
    scores: Packed


class Fidelity(Frozen):
    """One criterion's scores of one dense network, with the true changes of the loss.

    protocol: the options that decide scores and truth. pictures: number in each half. seconds: of the scores, and of
    the oracle, which all criteria of a block share; never compared.
    """

    schema_version: int = SCHEMA
    key: str
    cell: ScoreRequest
    status: Literal["ok", "failed"] = "ok"
    reason: str = ""
    protocol: dict[str, Any]
    fingerprint: str
    scale: Literal["loss", "arbitrary"] = "arbitrary"
    evidence: tuple[str, ...] = ()
    pictures: tuple[int, int] = (0, 0)
    groups: dict[str, Ranked] = Field(default_factory=dict)
    seconds: dict[str, float] = Field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return the fields that repeat bit for bit in two runs of one command on one CPU."""
        return self.model_dump(mode="json", exclude={"seconds"})

    def scores(self, group: str) -> NDArray[np.float64]:
        """Scores of a group's units, (units,)."""
        return np.asarray(self.groups[group].scores.unpack(), dtype=np.float64)

    def halves(self, group: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean change of the loss over each half of the pictures, (units,) each."""
        first, second = self.groups[group].halves
        return first.unpack().astype(np.float64), second.unpack().astype(np.float64)

    def truth(self, group: str) -> NDArray[np.float64]:
        """Mean change of the loss over all held-out pictures, (units,)."""
        return np.average(self.halves(group), axis=0, weights=self.pictures)

    def summary(self) -> str:
        """Summarise the result in a few words."""
        units = sum(len(group.units) for group in self.groups.values())
        return f"FAILED: {self.reason}" if self.status == "failed" else f"{units} units in {len(self.groups)} groups"


def parse_fidelity(data: Any, where: str) -> Fidelity:
    """Validate data read from JSON. where: name of the source in errors."""
    return versioned(Fidelity, data, where, "fidelity")


def read_fidelity(path: Path) -> Fidelity:
    """Read one fidelity file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: corrupt fidelity: {error}") from None
    return parse_fidelity(data, str(path))
