"""What pruning removes: whole units or single weights, behind one interface."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from prunebench.errors import UserError
from prunebench.plugins.criterion import AnyCriterion
from prunebench.plugins.expressions import Method
from prunebench.pruning.cost import CostModel, WeightCosts
from prunebench.pruning.masks import KeptWeights, kept_weights, without
from prunebench.pruning.network import Network, Table
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Pool, Rule
from prunebench.records.names import Metric
from prunebench.records.protocol import Protocol
from prunebench.records.record import Cost
from prunebench.scoring.layers import Batches
from prunebench.scoring.score import score, score_weights
from prunebench.scoring.single_weights import for_units_only


@dataclass(frozen=True, eq=False)
class WholeUnits:
    """Whole units: output channels and features, with everything coupled to them."""

    costs: CostModel
    rule: Rule

    def pool(self, network: Network) -> Pool:
        """Return the network itself."""
        return network

    def score(
        self, criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Score units, (units,) by coupled group. Groups that are kept whole have no scores."""
        return score(criterion, self.ranked(network), batches, generator)

    def ranked(self, network: Network) -> Network:
        """Return the network with the groups that may be pruned; a regulariser sees no others."""
        return network.among(network.kept.keys() - self.rule.skip) if self.rule.skip else network

    def remove(self, network: Network, gone: Mapping[str, Tensor]) -> Network:
        """Return a narrower network."""
        return remove(network, gone)

    def record_fields(self, network: Network) -> dict[str, Any]:
        """Return cost and achieved keeps."""
        pruned: Cost = self.costs.cost(network.units)
        return {"pruned": pruned, "keep": self.costs.shares(network.units)}


def unit_counts(pool: Pool) -> dict[str, int]:
    """Count the remaining units or weights, by group."""
    return {group: len(kept) for group, kept in pool.kept.items()}


@dataclass(frozen=True, eq=False)
class SingleWeights:
    """Single weights: a group is a layer, its units are the layer's weights in their flat order.

    Every weight of convolutions and linear layers may be removed, also in the classifier. Biases and BatchNorm stay.
    A removed weight is zero and masked (`Network.masks`). The network keeps its shape.
    """

    costs: WeightCosts
    rule: Rule = field(default_factory=lambda: Rule(floor=0.0))  # one weight of every layer stays

    def pool(self, network: Network) -> Pool:
        """Return the remaining weights."""
        return KeptWeights(kept_weights(network))

    def score(
        self, criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Score the remaining weights, (weights,) by layer."""
        return score_weights(criterion, network, batches, generator)

    def ranked(self, network: Network) -> Network:
        """Return the network itself: every weight may be pruned."""
        return network

    def remove(self, network: Network, gone: Mapping[str, Tensor]) -> Network:
        """Return a copy with some weights zero and masked. gone: flat indices by layer."""
        return without(network, gone)

    def record_fields(self, network: Network) -> dict[str, Any]:
        """Return cost, achieved keeps, and the number of weights of every layer, (dense, remaining)."""
        now = {layer: len(kept) for layer, kept in kept_weights(network).items()}
        weights = {layer: (dense, now[layer]) for layer, dense in self.costs.counts.items()}
        return {"pruned": self.costs.cost(now), "keep": self.costs.shares(now), "weights": weights}


Structure = WholeUnits | SingleWeights


def rule_of(table: Table, protocol: Protocol) -> Rule:
    """Return the limits of every selection: floors, multiples, groups that are not pruned."""
    coupled = frozenset(group.name for group in table.groups if table.coupled(group))
    return Rule(floor=protocol.floor, round_to=protocol.round_to, skip=frozenset() if protocol.coupled else coupled)


def structure_of(table: Table, costs: CostModel, protocol: Protocol, metric: Metric) -> Structure:
    """Return single weights for a budget of `weights`, else whole units. costs: of the dense network."""
    if metric == "weights":
        return SingleWeights(WeightCosts(costs.dense, costs.weight_counts))
    return WholeUnits(costs, rule_of(table, protocol))


def check_for_weights(protocol: Protocol, methods: Iterable[Method]) -> None:
    """Raise `UserError` for options and criteria that make no sense for single weights."""
    what = "--keep weights prunes single weights"
    if protocol.ranking in ("per-cost", "per-memory"):
        raise UserError(f"--ranking {protocol.ranking}: {what}, which all cost the same; give --ranking global")
    if protocol.repair == "least-squares":
        raise UserError(f"--repair {protocol.repair}: {what}, but {protocol.repair} is for units; give --repair bias")
    for name, option in _UNIT_OPTIONS.items():
        if getattr(protocol, name) != Protocol.model_fields[name].default:
            raise UserError(f"{option}: {what}, but {option} is for units; leave {option} out")
    for method in methods:
        criterion = (method.of or method).score
        if criterion is not None and (reason := for_units_only(criterion)):
            raise UserError(f"'{method.name}': {what}, but {reason}")


_UNIT_OPTIONS = {"floor": "--floor", "round_to": "--round-to", "coupled": "--no-coupled"}
