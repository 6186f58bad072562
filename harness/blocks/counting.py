"""The cost of a network without some of its blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from prunebench.blocks.finding import Block
from prunebench.blocks.removing import without_blocks
from prunebench.pruning.cost import count
from prunebench.pruning.network import Network, Table
from prunebench.records.record import Cost

_FIELDS = ("macs", "params", "units", "bytes")


@dataclass(frozen=True, eq=False)
class BlockCosts:
    """Costs by the blocks that are there. dense: of the whole network.

    parts: by block, what its removal saves of each field of a cost; they add up. Units of a residual stream stay, so a
    block may save none.
    """

    dense: Cost
    parts: Mapping[str, Mapping[str, int]]

    @property
    def counts(self) -> dict[str, int]:
        """One for each block: a block stays or goes."""
        return dict.fromkeys(self.parts, 1)

    def cost(self, there: Mapping[str, int]) -> Cost:
        """Return the cost of a network. there: 1 for each block that stays, 0 for others."""
        gone = [part for name, part in self.parts.items() if not there[name]]
        left = {field: getattr(self.dense, field) - sum(part[field] for part in gone) for field in _FIELDS}
        return Cost(**left)

    def shares(self, there: Mapping[str, int]) -> dict[str, float]:
        """Return the achieved keep by metric."""
        cost = self.cost(there)
        return {metric: getattr(cost, metric) / getattr(self.dense, metric) for metric in ("macs", "params", "units")}

    def saving(self, there: Mapping[str, int], metric: str) -> dict[str, int]:
        """Return what the removal of each block saves."""
        return {name: part[metric] for name, part in self.parts.items()}


def block_costs(model: nn.Module, table: Table, blocks: Sequence[Block]) -> BlockCosts:
    """Count what each block of a dense network costs: the network with it minus the network without it."""
    network = Network.dense(model, table)
    dense = count(network)
    parts = {}
    for block in blocks:
        less = count(without_blocks(network, [block]))
        parts[block.name] = {field: getattr(dense, field) - getattr(less, field) for field in _FIELDS}
    return BlockCosts(dense, parts)
