"""A block's truth: the oracle on two halves of the held-out pictures, computed once and stored as a stage.

The oracle removes what the protocol removes, a unit or a residual block, and takes the protocol's repair.
"""

import time
from dataclasses import replace
from pathlib import Path

import torch
from pydantic import model_validator

from prunebench.data.splits import Split
from prunebench.errors import CellError, DamagedFileError
from prunebench.fidelity.cuts import BLOCKS, UNITS, Cuts
from prunebench.pruning.network import Network
from prunebench.records.stage import FACTS
from prunebench.records.store_files import read_json
from prunebench.records.validation import Amount, Count, Frozen, Name, Number, Positive, validated
from prunebench.scoring.oracle import loss_changes
from prunebench.seeding import generator
from prunebench.study.at_work import Step, alone
from prunebench.study.stages import REPAIR_VERSION
from prunebench.study.store import key_of
from prunebench.study.trajectory import Trajectory

PICTURES = 1024  # most held-out pictures, drawn at random


class Changes(Frozen):
    """Numbers of a group's units, (units,), and their mean changes of the loss over each half of the pictures."""

    units: list[Count]
    halves: tuple[list[Number], list[Number]]

    @model_validator(mode="after")
    def _check(self) -> "Changes":
        if not self.units or sorted(set(self.units)) != self.units:
            raise ValueError("units are not numbers in rising order")
        if {len(half) for half in self.halves} != {len(self.units)}:
            raise ValueError(f"halves do not hold {len(self.units)} numbers each")
        return self


class Truth(Frozen):
    """Mean changes of the loss when units are removed, by group. pictures: number in each half.

    parents: key of the dense stage, as in the facts of other stages.
    """

    parents: tuple[Name, ...] = ()
    pictures: tuple[Positive, Positive]
    groups: dict[Name, Changes]
    seconds: Amount


def truth_key(trajectory: Trajectory) -> str:
    """Hash everything that decides a block's truth."""
    protocol = trajectory.protocol
    facts = {"units": UNITS, "pictures": PICTURES, "skip": sorted(trajectory.task.rule.skip)}
    if protocol.units == "blocks":
        facts |= {"removed": "blocks"}
    if protocol.repair != "none":
        facts |= protocol.facts("repair", "calibration", "calibration_batch") | {"repair_version": REPAIR_VERSION}
    return key_of(trajectory.plan.dense().key, {"oracle": facts})


def read_truth(trajectory: Trajectory) -> Truth:
    """Read a block's truth from the store; if absent, compute it on the dense network and store it."""
    key = truth_key(trajectory)
    file = trajectory.store.stage(key) / FACTS
    if file.exists():
        try:
            return _read(file)
        except DamagedFileError as error:
            trajectory.store.set_aside(file.parent, error)
    network = trajectory.network(trajectory.plan.dense())
    with alone(Step(key, "oracle"), trajectory.store):
        if not file.exists():
            truth = _compute(trajectory, network)
            text = truth.model_copy(update={"parents": (trajectory.plan.dense().key,)}).model_dump_json()
            trajectory.store.finish_stage(key, lambda folder: (folder / FACTS).write_text(text))
    return _read(file)


def _read(file: Path) -> Truth:
    return validated(Truth, read_json(file), str(file))


def _compute(trajectory: Trajectory, network: Network) -> Truth:
    trajectory.tick("oracle")
    began = time.perf_counter()
    held = held_out(trajectory.data.validation, trajectory.seed)
    half = len(held) // 2
    if not half:
        raise CellError(f"the oracle needs 2 or more validation pictures, not {len(held)}; raise --validation-fraction")
    batches = [*held.batches(min(500, max(16, 512_000 // held.side**2)))]
    cuts = Cuts(trajectory)
    intact, groups = cuts.whole(network), {}
    for name, units in cuts.sample(network).items():
        changes = loss_changes(intact, cuts.without_each(network, name, units), batches).double()
        if not changes.isfinite().all():
            what = "a block" if name == BLOCKS else f"a unit of group '{name}'"
            raise CellError(f"the loss is not finite when {what} is removed")
        halves = (changes[:, :half].mean(1).tolist(), changes[:, half:].mean(1).tolist())
        groups[name] = Changes(units=units.tolist(), halves=halves)
    return Truth(pictures=(half, len(held) - half), groups=groups, seconds=time.perf_counter() - began)


def held_out(validation: Split, seed: int) -> Split:
    """Draw the pictures in random order, since some datasets sort their validation pictures by class."""
    chosen = torch.randperm(len(validation), generator=generator(seed, "oracle", "pictures"))[:PICTURES]
    return replace(validation, pictures=validation.pictures[chosen])
