"""What pruning takes away from a network: whole units, or single weights; all that differs between the two."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol as Interface

import torch
from torch import Tensor

from prunebench.errors import UserError
from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.expressions import Method
from prunebench.pruning.cost import CostModel
from prunebench.pruning.masks import kept_weights, without
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Costs, Pool, Rule
from prunebench.records.protocol import Protocol
from prunebench.records.record import Cost
from prunebench.scoring.layers import Batches
from prunebench.scoring.score import score, score_weights
from prunebench.scoring.single_weights import for_units_only


class Structure(Interface):
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
class WholeUnits:
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


def unit_counts(pool: Pool) -> dict[str, int]:
    """Count what is still there, by group."""
    return {group: len(kept) for group, kept in pool.kept.items()}


@dataclass(frozen=True, eq=False)
class SingleWeights:
    """Single weights: a group is a layer, its units are the layer's weights in their flat order.

    Every weight of convolutions and linear layers may be removed, those of the classifier too; biases and BatchNorm
    stay. A removed weight is zero and masked (`Network.masks`); the network keeps its shape.
    """

    costs: "WeightCosts"
    rule: Rule = field(default_factory=lambda: Rule(floor=0.0))  # one weight of every layer stays

    def pool(self, network: Network) -> Pool:
        """Give the weights still there."""
        return KeptWeights(kept_weights(network))

    def score(
        self, criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Score weights, (weights still there,) by layer."""
        return score_weights(criterion, network, batches, generator)

    def remove(self, network: Network, gone: Mapping[str, Tensor]) -> Network:
        """Give a copy in which some weights, (any,) flat numbers by layer, are zero for good."""
        return without(network, gone)

    def left(self, network: Network) -> dict[str, Any]:
        """Give cost, achieved keeps and the weights of every layer, (dense, still there)."""
        now = {layer: len(kept) for layer, kept in kept_weights(network).items()}
        weights = {layer: (dense, now[layer]) for layer, dense in self.costs.counts.items()}
        return {"pruned": self.costs.cost(now), "keep": self.costs.shares(now), "weights": weights}


@dataclass(frozen=True, eq=False)
class KeptWeights:
    """Weights still there: flat numbers by layer."""

    kept: Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class WeightCosts:
    """What a network has left of its weights. counts: weights of the dense network by layer.

    Dense kernels compute and store the zeros like any number, so MACs, units and bytes stay those of the dense network.
    """

    dense: Cost
    counts: Mapping[str, int]

    @classmethod
    def from_units(cls, costs: CostModel) -> "WeightCosts":
        """Take over the cost model of a network's units."""
        return cls(costs.dense, costs.weight_counts)

    def cost(self, weights: Mapping[str, int]) -> Cost:
        """Give the cost of a network with these weights, by layer; its parameters are those that are not pruned."""
        gone = sum(self.counts.values()) - sum(weights.values())
        return self.dense.model_copy(update={"params": self.dense.params - gone})

    def shares(self, weights: Mapping[str, int]) -> dict[str, float]:
        """Give the achieved keep by metric. weights: of the prunable ones; params: of all, biases and BatchNorm too."""
        params = self.cost(weights).params / self.dense.params
        kept = sum(weights.values()) / sum(self.counts.values())
        return {"macs": 1.0, "params": params, "units": 1.0, "weights": kept}

    def saving(self, weights: Mapping[str, int], metric: str) -> dict[str, int]:
        """Give what removing one weight saves: one weight, whatever the layer."""
        return dict.fromkeys(self.counts, 1)


def check_for_weights(protocol: Protocol, methods: Iterable[Method]) -> None:
    """Raise `UserError` for options and criteria that make no sense for single weights."""
    what = "--keep weights prunes single weights"
    if protocol.ranking in ("per-cost", "per-memory"):
        raise UserError(f"--ranking {protocol.ranking}: {what}, which all cost the same; take global")
    for name, off in _UNIT_OPTIONS.items():
        if getattr(protocol, name) != Protocol.model_fields[name].default:
            raise UserError(f"{off}: {what}, and this is for units; leave it out")
    for method in methods:
        criterion = (method.of or method).score
        if criterion is not None and (reason := for_units_only(criterion)):
            raise UserError(f"'{method.name}': {what}, and {reason}")


_UNIT_OPTIONS = {"floor": "--floor", "round_to": "--round-to", "coupled": "--no-coupled"}
