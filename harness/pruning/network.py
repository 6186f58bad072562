"""A network, the table of its units, and the units that remain."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

Side = Literal["out", "in"]
Signature = tuple[tuple[str, str], ...]


class Place(NamedTuple):
    """A tensor in a forward pass: what a module reads ("in") or returns ("out") in one of its calls.

    call: its number, from 1; 0 stands for the first call after a given layer ran.
    """

    module: str
    call: int = 0
    side: Side = "out"


@dataclass(frozen=True, eq=False)
class Slice:
    """Positions on one side of one layer that belong to a group's units.

    layer: dotted name of a module, or of a tensor that a module without a width holds.
    index: (units, k), row u holds the positions (in the dense network) that belong to unit u.
    """

    layer: str
    side: Side
    index: Tensor = field(repr=False)


@dataclass(frozen=True, eq=False)
class Group:
    """A group of layers whose i-th units are removed together.

    producers: convolutions and linear layers whose outputs are these units, in the order of execution.
    slices: positions in the producers, in modules that work on each channel alone, and in layers that read the units.
    """

    name: str
    units: int
    producers: tuple[str, ...]
    slices: tuple[Slice, ...]


@dataclass(frozen=True, eq=False)
class Polynomial:
    """A polynomial of degree two in the numbers of units of groups.

    >>> Polynomial(Fraction(5), {"a": Fraction(2)}, {("a", "b"): Fraction(1)})({"a": 3, "b": 4})
    23
    """

    constant: Fraction = Fraction(0)
    linear: Mapping[str, Fraction] = field(default_factory=dict)
    squares: Mapping[tuple[str, str], Fraction] = field(default_factory=dict)

    def __call__(self, units: Mapping[str, int]) -> int:
        """Give the value for these numbers of units, as a whole number."""
        return round(self.value(units))

    def value(self, units: Mapping[str, int]) -> Fraction:
        """Give the exact value for these numbers of units."""
        value = self.constant + sum(factor * units[group] for group, factor in self.linear.items())
        return value + sum(factor * units[a] * units[b] for (a, b), factor in self.squares.items())


@dataclass(frozen=True, eq=False)
class Table:
    """The table of units of a dense network, made once by `prunebench.pruning.analysis.analyse`.

    groups: the groups that may be pruned, without the classifier's output.
    positions: output positions (height x width; 1 for a linear layer on vectors) of every convolution and linear layer.
    norm: the BatchNorm that directly follows a layer and alone reads it, if any.
    tail: the last module of the chain layer -> BatchNorm -> nonlinearity (the layer itself if nothing follows). The
        chain ends before a tensor that others read, too.
    joined: the place of the tensor that a layer's output becomes behind its chain, by additions, factors and functions
        that are nonlinearities. Such a tensor is a residual stream. Layers whose output stays as it is are left out.
    depthwise: for every depthwise convolution, the layer whose only reader it is ("" if none).
    fixed: layers whose units must stay, each with the reason ("because of ...").
    macs: for one picture, in operations beside the layers of `positions`, such as matrix products in attention.
    """

    groups: tuple[Group, ...]
    positions: Mapping[str, int]
    norm: Mapping[str, str] = field(default_factory=dict)
    tail: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, Place] = field(default_factory=dict)
    depthwise: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)
    macs: Polynomial = Polynomial()

    def group(self, name: str) -> Group:
        """Find a group by its name."""
        return next(group for group in self.groups if group.name == name)

    def coupled(self, group: Group) -> bool:
        """Tell whether several layers write a group's units. A depthwise convolution does not count."""
        return len(set(group.producers) - self.depthwise.keys()) > 1


def why_kept(fixed: Mapping[str, str]) -> list[str]:
    """Say which layers keep their units, and why: a sentence for each reason, the most frequent first.

    fixed: as in `Table`.

    >>> why_kept({"conv": "'conv', which is used twice"})
    ["'conv' keeps its units because it is used twice"]
    >>> why_kept({"a": "'norm' (LayerNorm)", "b": "a split", "c": "a split", "d": "a split"})
    ["'b', 'c' and 1 more keep their units because of a split", "'a' keeps its units because of 'norm' (LayerNorm)"]
    """
    layers: dict[str, list[str]] = {}
    for layer, reason in fixed.items():
        itself = f"'{layer}', which "
        because = f"it {reason.removeprefix(itself)}" if reason.startswith(itself) else f"of {reason}"
        layers.setdefault(because, []).append(f"'{layer}'")
    ordered = sorted(layers.items(), key=lambda item: -len(item[1]))
    return [_sentence(names, because) for because, names in ordered]


def _sentence(layers: Sequence[str], because: str) -> str:
    if len(layers) == 1:
        return f"{layers[0]} keeps its units because {because}"
    shown = [*layers[:2], *([f"{len(layers) - 2} more"] if len(layers) > 2 else [])]
    listed = f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"{listed} keep their units because {because if because.startswith('of ') else f'each {because[3:]}'}"


@dataclass(eq=False)
class Network:
    """A dense, partly pruned or pruned network.

    kept: the sorted original numbers of the remaining units, by group.
    gates: log alpha (remaining units,) by group, after L0 sparse training.
    masks: by layer with pruned single weights: a bool tensor of the weight's shape, true for the remaining weights.
    pushed: the units that sparse training pushed to zero: bool (remaining units,) by group, if it chose some.
    blocks: names of the residual blocks that were removed; the table does not know their layers any more.
    """

    model: nn.Module
    table: Table
    kept: dict[str, Tensor]
    gates: dict[str, Tensor] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict)
    pushed: dict[str, Tensor] = field(default_factory=dict)
    blocks: frozenset[str] = frozenset()

    @classmethod
    def dense(cls, model: nn.Module, table: Table) -> "Network":
        """Wrap a dense network: every group has all its units."""
        return cls(model, table, {group.name: torch.arange(group.units) for group in table.groups})

    @property
    def units(self) -> dict[str, int]:
        """Number of remaining units, by group."""
        return {name: len(kept) for name, kept in self.kept.items()}

    def layer(self, name: str) -> nn.Module:
        """Find a layer, or the module that holds a parameter, by dotted name."""
        return holder(self.model, name)[0]

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return next(self.model.parameters()).dtype

    def among(self, groups: Collection[str]) -> "Network":
        """Give a view of some groups: model, gates, masks and pushed units are shared. All other groups must be whole.

        >>> from prunebench.testing import toys
        >>> toys.chain().among({"0", "6"}).units
        {'0': 6, '6': 8}
        """
        table = replace(self.table, groups=tuple(group for group in self.table.groups if group.name in groups))
        return replace(self, table=table, kept={group.name: self.kept[group.name] for group in table.groups})

    def by_layer(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Spread the scores (remaining units,) of groups to scores (units,) of each layer, in the layer's dtype.

        >>> from prunebench.testing import toys
        >>> toys.residual().by_layer({"stem": torch.arange(5)})["conv"].tolist()
        [0.0, 1.0, 2.0, 3.0, 4.0]
        """
        spread: dict[str, Tensor] = {}
        for group in self.table.groups:
            for layer in group.producers:
                weight, index = self.model.get_parameter(f"{layer}.weight").detach(), self.positions(group, layer)
                values = spread.setdefault(layer, weight.new_zeros(len(weight)))
                values[index.to(values.device)] = scores[group.name][:, None].expand(index.shape).to(values)
        return spread

    def positions(self, group: Group, layer: str, side: Side = "out") -> Tensor:
        """Give the current positions of the remaining units on one side of a layer: (units, k)."""
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


def holder(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    """Find a module by its dotted name, or the module that holds a parameter or buffer of this name.

    Returns the module and the name of its tensor, "" for a module.
    """
    module: Any = model
    for part in filter(None, name.split(".")):  # `get_submodule` is slow, and this is called for every slice
        if part in module._parameters or part in module._buffers:
            return module, part
        module = module._modules[part]
    return module, ""


def weight_of(network: Network, layer: str) -> Tensor:
    """Give a layer's weight in its own shape, detached from the graph."""
    return network.model.get_parameter(f"{layer}.weight").detach()


def signatures(network: Network) -> dict[str, Signature]:
    """Give the signature of every group: the types of its layers and on which side each meets the group's units.

    Two groups are isomorphic if their signatures are equal. Sizes do not matter, and neither do functions without
    weights: torch-pruning, which counts them, holds a group apart where a pooling follows its nonlinearity.

    Source: Fang, Ma, Mi and Wang, Isomorphic Pruning for Vision Models, ECCV 2024.

    >>> import torch
    >>> from torch import nn
    >>> from prunebench.pruning.analysis import analyse
    >>> layers = (nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 3), nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6, 3))
    >>> model = nn.Sequential(*layers)
    >>> found = signatures(Network.dense(model, analyse(model, torch.zeros(1, 1, 5, 5))))
    >>> found["0"] == found["1"], found["2"]
    (True, (('Conv2d', 'out'), ('Linear', 'in')))
    """
    return {group.name: _signature(network, group) for group in network.table.groups}


def _signature(network: Network, group: Group) -> Signature:
    return tuple(sorted((type(network.layer(part.layer)).__name__, part.side) for part in group.slices))
