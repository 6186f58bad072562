"""What fidelity is computed from: the scores of one criterion in one block beside the true changes. Torch-free."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from prunebench.errors import UserError
from prunebench.records.record import SCHEMA, Frozen, Packed, validated


class Scoring(Frozen):
    """What was asked for: a criterion's score of a block's dense network."""

    dataset: str
    model: str
    criterion: str
    seed: int

    @property
    def task(self) -> str:
        """Dataset x model."""
        return f"{self.dataset} x {self.model}"


class Ranked(Frozen):
    """The units of one group that are compared.

    units: their numbers in the dense network; of: how many the group has. halves: mean change of the loss in nats when
    the unit is removed, over either half of the held-out pictures; scores: low = remove first; (units,) each.
    """

    units: tuple[int, ...]
    of: int
    halves: tuple[Packed, Packed]
    scores: Packed


class Fidelity(Frozen):
    """One criterion's scores of one dense network, with the truth.

    protocol: the options that decide it. pictures: how many each half has. seconds: of the scores and of the oracle,
    which all criteria of a block share; never compared.
    """

    schema_version: int = SCHEMA
    key: str
    cell: Scoring
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
        """Everything that two runs of the same command on one CPU share bit for bit."""
        return self.model_dump(mode="json", exclude={"seconds"})

    def scores(self, group: str) -> NDArray[np.float64]:
        """Scores of a group's units, (units,)."""
        return np.asarray(self.groups[group].scores.unpack(), dtype=np.float64)

    def halves(self, group: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean change of the loss over either half of the pictures, (units,) each."""
        first, second = self.groups[group].halves
        return first.unpack().astype(np.float64), second.unpack().astype(np.float64)

    def truth(self, group: str) -> NDArray[np.float64]:
        """Mean change of the loss over all held-out pictures, (units,)."""
        return np.average(self.halves(group), axis=0, weights=self.pictures)

    def summary(self) -> str:
        """Say in a few words what came out."""
        units = sum(len(group.units) for group in self.groups.values())
        return f"FAILED: {self.reason}" if self.status == "failed" else f"{units} units in {len(self.groups)} groups"


def parse_fidelity(data: Any, where: str) -> Fidelity:
    """Check what was read from JSON; `where` is named in the error."""
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA:
        raise UserError(f"{where}: fidelity schema {version}, this version reads schema {SCHEMA}")
    return validated(Fidelity, data, f"{where}: corrupt fidelity")


def read_fidelity(path: Path) -> Fidelity:
    """Read one file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: corrupt fidelity: {error}") from None
    return parse_fidelity(data, str(path))
