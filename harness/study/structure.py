"""What pruning removes: whole units, single weights or residual blocks, behind one interface."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.blocks.checking import removable_blocks
from prunebench.blocks.counting import BlockCosts, block_costs
from prunebench.blocks.finding import Block
from prunebench.blocks.removing import without_blocks
from prunebench.errors import UserError
from prunebench.plugins.criterion import AnyCriterion, ModelScore
from prunebench.plugins.expressions import Method
from prunebench.pruning.cost import CostModel, WeightCosts
from prunebench.pruning.masks import KeptWeights, kept_weights, without
from prunebench.pruning.network import Network, Table
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Pool, Ranking, Rule
from prunebench.records.names import RANDOM, Metric
from prunebench.records.protocol import Protocol
from prunebench.records.record import Cost
from prunebench.scoring.layers import Batches
from prunebench.scoring.score import for_groups_only, score, score_blocks, score_layers, score_weights
from prunebench.scoring.single_weights import for_units_only

Blocks = tuple[tuple[Block, ...], BlockCosts]


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

    def ruled(self, ranking: Ranking) -> Rule:
        """Return the limits of a selection by a ranking."""
        return replace(self.rule, ranking=ranking)

    def widths(self, network: Network) -> dict[str, tuple[int, int]]:
        """Return the output widths (dense, now) of every convolution and linear layer."""
        return self.costs.widths(network.units)

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
    dense: CostModel
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

    def ruled(self, ranking: Ranking) -> Rule:
        """Return the limits of a selection by a ranking."""
        return replace(self.rule, ranking=ranking)

    def widths(self, network: Network) -> dict[str, tuple[int, int]]:
        """Return the output widths (dense, now) of every convolution and linear layer, which stay."""
        return self.dense.widths(network.units)

    def record_fields(self, network: Network) -> dict[str, Any]:
        """Return cost, achieved keeps, and the number of weights of every layer, (dense, remaining)."""
        now = {layer: len(kept) for layer, kept in kept_weights(network).items()}
        weights = {layer: (dense, now[layer]) for layer, dense in self.costs.counts.items()}
        return {"pruned": self.costs.cost(now), "keep": self.costs.shares(now), "weights": weights}


@dataclass(frozen=True, eq=False)
class WholeBlocks:
    """Residual blocks with an identity bypass, each as one unit of a group of its own.

    A block's score is the sum of the scores of all units of its layers, each layer scored by itself. `random` draws
    once for a block. A `ModelScore` may have its own score of blocks. Blocks are ranked by score, also under `local`,
    since shares of single blocks mean nothing.
    """

    blocks: tuple[Block, ...]
    costs: BlockCosts
    dense: CostModel
    rule: Rule = field(default_factory=lambda: Rule(floor=0.0, vanish=True))

    def pool(self, network: Network) -> Pool:
        """Return the remaining blocks."""
        one, none = torch.zeros(1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
        return KeptWeights({block.name: none if block.name in network.blocks else one for block in self.blocks})

    def score(
        self, criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Score the remaining blocks: (1,) by block, (0,) for a removed one."""
        left = [block for block in self.blocks if block.name not in network.blocks]
        scores = {block.name: torch.zeros(0) for block in self.blocks}
        if criterion.name == RANDOM:
            return scores | {block.name: torch.rand(1, generator=generator) for block in left}
        if isinstance(criterion, ModelScore) and criterion.of_blocks is not None:
            copies = (without_blocks(network, [block]) for block in left)
            own = score_blocks(criterion, network, copies, len(left), batches, generator=generator)
            return scores | {block.name: value for block, value in zip(left, own[:, None].unbind(), strict=True)}
        by_layer = score_layers(criterion, network, batches, generator)
        for block in left:
            parts = [by_layer[layer].double().sum() for layer in block.layers if layer in by_layer]
            scores[block.name] = torch.stack(parts).sum().reshape(1).cpu()
        return scores

    def ranked(self, network: Network) -> Network:
        """Return the network itself: a regulariser sees every unit."""
        return network

    def remove(self, network: Network, gone: Mapping[str, Tensor]) -> Network:
        """Return a network without some blocks."""
        names = {name for name, units in gone.items() if len(units)}
        return without_blocks(network, [block for block in self.blocks if block.name in names])

    def ruled(self, ranking: Ranking) -> Rule:
        """Return the limits of a selection by a ranking."""
        return replace(self.rule, ranking=Ranking("global") if ranking.name == "local" else ranking)

    def widths(self, network: Network) -> dict[str, tuple[int, int]]:
        """Return the output widths (dense, now) of every convolution and linear layer; 0 in removed blocks."""
        dense, there = self.dense.widths(self.dense.counts), network.table.positions
        return {layer: (width, width if layer in there else 0) for layer, (width, _) in dense.items()}

    def record_fields(self, network: Network) -> dict[str, Any]:
        """Return cost, achieved keeps, and the names of the removed blocks."""
        there = {block.name: int(block.name not in network.blocks) for block in self.blocks}
        gone = tuple(name for name, stays in there.items() if not stays)
        return {"pruned": self.costs.cost(there), "keep": self.costs.shares(there), "blocks": gone}


Structure = WholeUnits | SingleWeights | WholeBlocks


def rule_of(table: Table, protocol: Protocol) -> Rule:
    """Return the limits of every selection: floors, multiples, groups that are not pruned."""
    coupled = frozenset(group.name for group in table.groups if table.coupled(group))
    return Rule(floor=protocol.floor, round_to=protocol.round_to, skip=frozenset() if protocol.coupled else coupled)


def structure_of(
    table: Table, costs: CostModel, protocol: Protocol, metric: Metric, blocks: Blocks | None = None
) -> Structure:
    """Return what is removed: blocks where they are given, single weights for a budget of `weights`, else whole units.

    costs: of the dense network.
    """
    if blocks is not None:
        return WholeBlocks(*blocks, costs)
    if metric == "weights":
        return SingleWeights(WeightCosts(costs.dense, costs.weight_counts), costs)
    return WholeUnits(costs, rule_of(table, protocol))


def blocks_of(protocol: Protocol, model: nn.Module, table: Table, pictures: Tensor, name: str) -> Blocks | None:
    """Find the blocks of a dense network and their costs where a protocol removes blocks; else None.

    name: how errors call the network. Raises `UserError` for a network without blocks.
    """
    if protocol.units != "blocks":
        return None
    found = removable_blocks(model, table, pictures, name)
    return found, block_costs(model, table, found)


def check_for_blocks(protocol: Protocol, metric: Metric, methods: Iterable[Method]) -> None:
    """Raise `UserError` for options and criteria that make no sense for whole blocks."""
    what = "whole blocks are removed"
    if metric == "weights":
        raise UserError(f"--keep weights: {what}, not single weights; give macs or params, or leave --units out")
    if metric == "units":
        raise UserError(f"--keep units: {what}, but the units of a residual stream stay; give macs or params")
    if protocol.ranking in ("published", "per-memory", "isomorphic"):
        raise UserError(
            f"--ranking {protocol.ranking}: {what}, and this ranking is for units; give local, global or per-cost"
        )
    if protocol.repair in ("bias", "least-squares"):
        cure = "leave --repair out, or give batchnorm"
        raise UserError(f"--repair {protocol.repair}: {what}, and this is for readers of units; {cure}")
    more = {"normalise_scores": "--normalise-scores"}
    for name, option in (_UNIT_OPTIONS | more).items():
        if getattr(protocol, name) != Protocol.model_fields[name].default:
            raise UserError(f"{option}: {what}, but {option} is for units; leave {option} out")
    faults = {method.name: _not_for_blocks(method) for method in methods}
    odd, left = [name for name in faults if faults[name]], [name for name in faults if not faults[name]]
    if odd:
        cure = f"leave {', '.join(odd)} out" + (f': --criteria "{" ".join(left)}"' if left else "")
        raise UserError(f"'{odd[0]}': {what}, {faults[odd[0]]}; {cure}")


def _not_for_blocks(method: Method) -> str:
    """Say why a criterion cannot rank whole blocks; "" if it can."""
    if method.kind == "shuffle":
        return f"which cannot be shuffled within a layer; compare with `{RANDOM}`"
    if method.before is not None or method.after is not None:
        return "and its regulariser is for units"
    criterion = (method.of or method).score
    reason = for_groups_only(criterion) if criterion is not None else ""
    return reason and f"layer by layer, but {reason}"


def check_for_weights(protocol: Protocol, methods: Iterable[Method]) -> None:
    """Raise `UserError` for options and criteria that make no sense for single weights."""
    what = "--keep weights prunes single weights"
    if protocol.ranking in ("per-cost", "per-memory"):
        raise UserError(f"--ranking {protocol.ranking}: {what}, which all cost the same; give --ranking global")
    if protocol.ranking == "isomorphic":
        raise UserError(
            f"--ranking {protocol.ranking}: {what}, but isomorphic groups are of units; give local or global"
        )
    if protocol.repair == "least-squares":
        raise UserError(f"--repair {protocol.repair}: {what}, but {protocol.repair} is for units; give --repair bias")
    for name, option in _UNIT_OPTIONS.items():
        if getattr(protocol, name) != Protocol.model_fields[name].default:
            raise UserError(f"{option}: {what}, but {option} is for units; leave {option} out")
    for method in methods:
        criterion = (method.of or method).score
        if criterion is not None and (reason := for_units_only(criterion)):
            raise UserError(f"'{method.name}': {what}, but {reason}")
        if criterion is not None and protocol.ranking == "published" and criterion.published.name == "isomorphic":
            raise UserError(f"'{method.name}': {what}, but its published ranking, isomorphic, is for units")


_UNIT_OPTIONS = {"floor": "--floor", "round_to": "--round-to", "coupled": "--no-coupled"}
