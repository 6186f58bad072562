"""What the oracle removes, one by one, and the repair after it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.repair.repairing import repair
from prunebench.scoring.layers import Batches
from prunebench.seeding import generator
from prunebench.study.structure import Structure, WholeBlocks
from prunebench.study.trajectory import Trajectory
from prunebench.training.evaluate import reestimate_batchnorm

UNITS = 64  # most units of a group, drawn at random
BLOCKS = "blocks"  # the group that all residual blocks make


@dataclass(frozen=True, eq=False)
class Cuts:
    """The removals of one unit or one residual block, as a trajectory's protocol asks for them, with its repair."""

    trajectory: Trajectory

    @cached_property
    def structure(self) -> Structure:
        """What is removed: blocks, or whole units, also where the protocol removes single weights."""
        return self.trajectory.task.structure("macs")

    def sample(self, network: Network) -> dict[str, Tensor]:
        """Draw the units to remove: numbers (units,) by group. All blocks make one group, in the order of the model."""
        if isinstance(self.structure, WholeBlocks):
            return {BLOCKS: torch.arange(len(self.structure.blocks))}
        return sample(network, self.trajectory.task.rule.skip, self.trajectory.seed)

    def joined(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Group scores as `sample` groups units: the scores of all blocks become one tensor."""
        if isinstance(self.structure, WholeBlocks):
            return {BLOCKS: torch.cat([scores[block.name] for block in self.structure.blocks])}
        return dict(scores)

    def whole(self, network: Network) -> Network:
        """Copy the network before any removal; its BatchNorm is estimated again where that is the repair."""
        return self._repaired(network, remove(network, {}))

    def without_each(self, network: Network, group: str, units: Tensor) -> Iterator[Network]:
        """Yield the repaired networks without one unit each."""
        for unit in units:
            gone = {group: unit[None]}
            if isinstance(self.structure, WholeBlocks):
                gone = {self.structure.blocks[int(unit)].name: torch.zeros(1, dtype=torch.int64)}
            yield self._repaired(network, self.structure.remove(network, gone))

    def _repaired(self, before: Network, after: Network) -> Network:
        how = self.trajectory.protocol.repair
        if how == "batchnorm":  # also where nothing was cut
            reestimate_batchnorm(after.model, (pictures for pictures, _ in self._calibration))
        elif how != "none":
            repair(how, before, after, self._calibration)
        return after

    @cached_property
    def _calibration(self) -> Batches:
        return self.trajectory.data.calibration.batches(max(2, self.trajectory.protocol.calibration_batch))


def sample(network: Network, skip: frozenset[str], seed: int) -> dict[str, Tensor]:
    """Draw units of every prunable group of two or more units: original numbers (units,), ascending."""
    chosen = {}
    for name, kept in network.kept.items():
        if len(kept) > 1 and name not in skip:
            order = torch.randperm(len(kept), generator=generator(seed, "oracle", name))
            chosen[name] = kept[order[:UNITS].sort().values]
    return chosen
