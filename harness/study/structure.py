"""What pruning takes away from a network: whole units, or single weights; all that differs between the two."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from prunebench.plugins.criterion import AnyCriterion
from prunebench.pruning.cost import CostModel
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Costs, Pool, Rule
from prunebench.records.record import Cost
from prunebench.scoring.layers import Batches
from prunebench.scoring.score import score


class Structure(Protocol):
    """How a task's networks are scored, cut and counted. rule: what stays whatever the scores."""

    @property
    def costs(self) -> Costs:
        """What a keep is a fraction of."""

    @property
    def rule(self) -> Rule:
        """Floors and what is not pruned."""

    def pool(self, network: Network) -> Pool:
        """Give what of a network may be removed."""

    def score(
        self, criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Score all that may be removed, by group; low = remove first."""

    def remove(self, network: Network, gone: Mapping[str, Tensor]) -> Network:
        """Give a new network without some of it; the given one stays as it is."""

    def left(self, network: Network) -> dict[str, Any]:
        """Give the fields of a record that say what of a network is left."""


@dataclass(frozen=True, eq=False)
class Units:
    """Whole units: output channels and features, with all that goes with them."""

    costs: CostModel
    rule: Rule

    def pool(self, network: Network) -> Pool:
        """Give the network itself."""
        return network

    def score(
        self, criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Score units, (units,) by coupled group."""
        return score(criterion, network, batches, generator)

    def remove(self, network: Network, gone: Mapping[str, Tensor]) -> Network:
        """Give a narrower network."""
        return remove(network, gone)

    def left(self, network: Network) -> dict[str, Any]:
        """Give cost and achieved keeps."""
        pruned: Cost = self.costs.cost(network.units)
        return {"pruned": pruned, "keep": self.costs.shares(network.units)}


def counts(pool: Pool) -> dict[str, int]:
    """Count what is still there, by group."""
    return {group: len(kept) for group, kept in pool.kept.items()}
