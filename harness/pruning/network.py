"""A network together with the table of its units and the units it still has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

Side = Literal["out", "in"]


@dataclass(frozen=True, eq=False)
class Slice:
    """Positions in one side of one layer that go with a group's units.

    index: (units, k), row u holds the positions (in the dense network) that belong to unit u.
    """

    layer: str
    side: Side
    index: Tensor


@dataclass(frozen=True, eq=False)
class Group:
    """Units that go together: the i-th units of all `producers`, what normalises them and what reads them.

    producers: convolutions and linear layers whose output units these are, in the order of execution.
    """

    name: str
    units: int
    producers: tuple[str, ...]
    slices: tuple[Slice, ...]


@dataclass(frozen=True, eq=False)
class Table:
    """The table of units of a dense network, made once by `prunebench.pruning.analysis.analyse`.

    groups: what may be pruned; the classifier's output is not in it.
    positions: output positions (height x width; 1 for a linear layer on vectors) of every convolution and linear layer.
    norm: the BatchNorm that directly follows a layer, where there is one.
    tail: the last module of the chain layer -> BatchNorm -> nonlinearity (the layer itself where nothing follows).
    joined: of layers whose chain has no nonlinearity, the next one that reads a tensor of the same shape which is not
        the end of a chain, and which of its calls that is: behind a residual addition, where several write the group.
    depthwise: every depthwise convolution, with the layer whose output it alone reads ("" where others may, too).
    fixed: layers whose units must stay, each with the reason ("because of ...").
    """

    groups: tuple[Group, ...]
    positions: Mapping[str, int]
    norm: Mapping[str, str] = field(default_factory=dict)
    tail: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    depthwise: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        """Find a group by its name."""
        return next(group for group in self.groups if group.name == name)

    def coupled(self, group: Group) -> bool:
        """Tell whether several layers write a group's units; a depthwise convolution only passes its input's on."""
        return len(set(group.producers) - self.depthwise.keys()) > 1


@dataclass(eq=False)
class Network:
    """A network somewhere on its way from dense to pruned.

    kept: for every group the sorted original numbers of the units still there.
    gates: log alpha (units still there,) by group, after L0 sparse training.
    masks: of the weights that single weights were pruned from, by layer: which are still there; bool, as the weight.
    """

    model: nn.Module
    table: Table
    kept: dict[str, Tensor]
    gates: dict[str, Tensor] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def dense(cls, model: nn.Module, table: Table) -> "Network":
        """Wrap a dense network: every group has all its units."""
        return cls(model, table, {group.name: torch.arange(group.units) for group in table.groups})

    @property
    def units(self) -> dict[str, int]:
        """Number of units still there, by group."""
        return {name: len(kept) for name, kept in self.kept.items()}

    def layer(self, name: str) -> nn.Module:
        """Find a layer by its dotted name."""
        return self.model.get_submodule(name)

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return next(self.model.parameters()).dtype

    def by_layer(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give scores (units still there,) of all groups as scores (units,) of each of their layers, of its type.

        >>> from prunebench.testing import toys
        >>> toys.residual().by_layer({"stem": torch.arange(5)})["conv"].tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
        """
        found: dict[str, Tensor] = {}
        for group in self.table.groups:
            for layer in group.producers:
                weight, index = self.model.get_parameter(f"{layer}.weight").detach(), self.positions(group, layer)
                values = found.setdefault(layer, weight.new_zeros(len(weight)))
                values[index.to(values.device)] = scores[group.name][:, None].expand(index.shape).to(values)
        return found

    def positions(self, group: Group, layer: str, side: Side = "out") -> Tensor:
        """Where the units still there sit in a layer as it is now: (units, k) positions on one of its sides."""
        index = torch.cat([s.index for s in group.slices if (s.layer, s.side) == (layer, side)], dim=1)
        gone = [
            s.index.index_fill(0, self.kept[g.name], -1).flatten()
            for g in self.table.groups
            for s in g.slices
            if (s.layer, s.side) == (layer, side)
        ]
        removed = torch.cat(gone).sort().values
        now = index[self.kept[group.name]]
        return now - torch.searchsorted(removed[removed >= 0], now)


def weight_of(network: Network, layer: str) -> Tensor:
    """Weight of a layer, without graph, in its own shape."""
    return network.model.get_parameter(f"{layer}.weight").detach()
