"""The cost of a network: counted on the network itself, or computed from its numbers of units alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from prunebench.pruning.kinds import LAYERS, cut_axes
from prunebench.pruning.network import Group, Network, Polynomial, Side, Table, holder, weight_of
from prunebench.records.record import Cost

Ints = NDArray[np.int64]


def count(network: Network) -> Cost:
    """Count the MACs, parameters, units and bytes of a network.

    MACs are the multiply-accumulates of convolutions, linear layers and matrix products, without biases and BatchNorm,
    for one picture of the size that the table was made with.
    """
    model = network.model
    tensors = [*model.parameters(), *model.buffers()]
    layers = sum(places * weight_of(network, name).numel() for name, places in network.table.positions.items())
    return Cost(
        macs=layers + network.table.macs(network.units),
        params=sum(parameter.numel() for parameter in model.parameters()),
        units=sum(network.units.values()),
        bytes=sum(tensor.numel() * tensor.element_size() for tensor in tensors),
    )


@dataclass(frozen=True, eq=False)
class CostModel:
    """The cost of a network as a function of the number of units in every group.

    A term is one tensor, or a few of one shape, of outs x ins elements. Both sides are linear in the units:
    ``outs = out_rest + out_share @ units`` (terms,), and ``ins`` likewise (1 for a vector).

    layers: the term of each convolution's or linear layer's weight.
    macs, params, bytes: (terms,), the cost of one element.
    memory: (groups,), bytes of one unit's feature maps for one picture.
    fixed_params, fixed_bytes: the part that no removal changes.
    other_macs: see `Table.macs`.
    """

    groups: tuple[str, ...]
    dense_units: Ints
    layers: Mapping[str, int]
    out_share: Ints
    out_rest: Ints
    in_share: Ints
    in_rest: Ints
    macs: Ints
    params: Ints
    bytes: Ints
    memory: Ints
    fixed_params: int
    fixed_bytes: int
    other_macs: Polynomial

    @cached_property
    def dense(self) -> Cost:
        """The cost of the dense network."""
        return self.cost(self.counts)

    @property
    def counts(self) -> dict[str, int]:
        """Number of units of the dense network, by group."""
        return dict(zip(self.groups, self.dense_units.tolist(), strict=True))

    @property
    def weight_counts(self) -> dict[str, int]:
        """Number of weights of each convolution and linear layer of the dense network, in the order of the model."""
        numbers = self._outs(self.dense_units) * self._ins(self.dense_units) * self.params
        return {layer: int(numbers[term]) for layer, term in self.layers.items()}

    def cost(self, units: Mapping[str, int]) -> Cost:
        """Give the cost for these numbers of units; every group needs one."""
        vector = self._vector(units)
        numbers = self._outs(vector) * self._ins(vector)
        return Cost(
            macs=int(self.macs @ numbers) + self.other_macs(units),
            params=self.fixed_params + int(self.params @ numbers),
            units=int(vector.sum()),
            bytes=self.fixed_bytes + int(self.bytes @ numbers),
        )

    def shares(self, units: Mapping[str, int]) -> dict[str, float]:
        """Give the achieved keep by metric: the cost for these numbers of units over the dense cost."""
        cost = self.cost(units)
        return {metric: getattr(cost, metric) / getattr(self.dense, metric) for metric in ("macs", "params", "units")}

    def saving(self, units: Mapping[str, int], metric: str) -> dict[str, int]:
        """Give, by group, the cost that removing one unit saves from a network with these numbers of units.

        metric: a field of `Cost`, or ``memory``, as in the class.
        """
        if metric == "units":
            return dict.fromkeys(self.groups, 1)
        if metric == "memory":
            return dict(zip(self.groups, self.memory.tolist(), strict=True))
        vector = self._vector(units)
        weight = {"macs": self.macs, "params": self.params, "bytes": self.bytes}[metric]
        # outs * ins - (outs - out_share) * (ins - in_share), for every group at once
        saved = (weight * self._outs(vector)) @ self.in_share + (weight * self._ins(vector)) @ self.out_share
        saved -= weight @ (self.out_share * self.in_share)
        other = self.other_macs if metric == "macs" else Polynomial()
        return {
            group: own + other(units) - other({**units, group: units[group] - 1})
            for group, own in zip(self.groups, saved.tolist(), strict=True)
        }

    def widths(self, units: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """Give the output widths (dense, now) of every convolution and linear layer, in the order of the model."""
        dense, now = self._outs(self.dense_units), self._outs(self._vector(units))
        return {layer: (int(dense[term]), int(now[term])) for layer, term in self.layers.items()}

    def _vector(self, units: Mapping[str, int]) -> Ints:
        return np.array([units[group] for group in self.groups], dtype=np.int64)

    def _outs(self, units: Ints) -> Ints:
        return self.out_rest + self.out_share @ units

    def _ins(self, units: Ints) -> Ints:
        return self.in_rest + self.in_share @ units


@dataclass(frozen=True, eq=False)
class WeightCosts:
    """Costs of a network without some of its weights. counts: number of the dense network's weights by layer.

    MACs, units and bytes stay as in the dense network, because dense kernels compute and store zeros, too.
    """

    dense: Cost
    counts: Mapping[str, int]

    def cost(self, weights: Mapping[str, int]) -> Cost:
        """Return the cost of a network with this many weights by layer. Removed weights are not counted in `params`."""
        gone = sum(self.counts.values()) - sum(weights.values())
        return self.dense.model_copy(update={"params": self.dense.params - gone})

    def shares(self, weights: Mapping[str, int]) -> dict[str, float]:
        """Return the achieved keep by metric. weights: of prunable weights; params: of all parameters."""
        params = self.cost(weights).params / self.dense.params
        kept = sum(weights.values()) / sum(self.counts.values())
        return {"macs": 1.0, "params": params, "units": 1.0, "weights": kept}

    def saving(self, weights: Mapping[str, int], metric: str) -> dict[str, int]:
        """Return what removing one weight saves: one weight in every layer."""
        return dict.fromkeys(self.counts, 1)


class Costs(Protocol):
    """Costs as a function of how much of each group is there, see `CostModel` and `WeightCosts`."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of units of the dense network, by group."""

    def shares(self, units: Mapping[str, int], /) -> dict[str, float]:
        """Return the achieved keep by metric."""

    def saving(self, units: Mapping[str, int], metric: str, /) -> dict[str, int]:
        """Return, by group, the cost that removing one unit saves."""


class _Term(NamedTuple):
    layer: str
    outs: int
    ins: int
    macs: int
    params: int
    bytes: int
    groups: int = 0  # of a convolution: one column of its weight holds one input of each group; 0 for a vector


def costs(model: nn.Module, table: Table) -> CostModel:
    """Make the cost model of a dense network from the table of its units."""
    parts = {part.layer for group in table.groups for part in group.slices} | table.positions.keys()
    named = (*model.named_modules(), *model.named_parameters(), *model.named_buffers())
    order = [name for name, _ in named if name in parts]
    terms = [term for name in order for term in _terms(*holder(model, name), name, table.positions.get(name, 0))]
    dense = np.array([group.units for group in table.groups], dtype=np.int64)
    out_share = _share(table, [(term.layer, "out") for term in terms])
    in_share = _share(table, [(term.layer, "in") if term.groups else None for term in terms])
    _, *columns = zip(*terms, strict=True)
    outs, ins, macs, params, size, tied = (np.array(column, dtype=np.int64) for column in columns)
    in_share //= np.maximum(tied, 1)[:, None]
    tensors = [*model.parameters(), *model.buffers()]
    return CostModel(
        groups=tuple(group.name for group in table.groups),
        dense_units=dense,
        layers={t.layer: number for number, t in enumerate(terms) if t.layer in table.positions and t.macs},
        out_share=out_share,
        out_rest=outs - out_share @ dense,
        in_share=in_share,
        in_rest=ins - in_share @ dense,
        macs=macs,
        params=params,
        bytes=size,
        memory=np.array([_memory(model, table, group) for group in table.groups], dtype=np.int64),
        fixed_params=sum(p.numel() for p in model.parameters()) - int(params @ (outs * ins)),
        fixed_bytes=sum(t.numel() * t.element_size() for t in tensors) - int(size @ (outs * ins)),
        other_macs=table.macs,
    )


def _memory(model: nn.Module, table: Table, group: Group) -> int:
    """Count the bytes of one unit's feature maps for one picture, over the group's producers."""
    widths = {part.layer: part.index.shape[1] for part in group.slices if part.side == "out"}
    sizes = {name: model.get_parameter(f"{name}.weight").element_size() for name in group.producers}
    return sum(table.positions[name] * widths[name] * sizes[name] for name in group.producers)


def _terms(layer: nn.Module, tensor: str, name: str, places: int) -> Iterator[_Term]:
    axes = cut_axes(layer, "out", tensor)
    if isinstance(layer, (*LAYERS, nn.ConvTranspose2d)) and not tensor:
        axis = axes.pop("weight")
        outs, ins = layer.weight.shape[axis], layer.weight.shape[1 - axis]  # ins is 1 for a depthwise convolution
        each, size = layer.weight[0, 0].numel(), layer.weight.element_size()
        yield _Term(name, outs, ins, places * each, each, each * size, getattr(layer, "groups", 1))
    vectors = [(value, value.shape[axis]) for key, axis in axes.items() if (value := getattr(layer, key)) is not None]
    if vectors:
        params = sum(value.numel() // outs for value, outs in vectors if isinstance(value, nn.Parameter))
        size = sum(value.numel() // outs * value.element_size() for value, outs in vectors)
        yield _Term(name, vectors[0][1], 1, 0, params, size)


def _share(table: Table, rows: list[tuple[str, Side] | None]) -> Ints:
    """Count the positions of each layer's side that belong to one unit of each group: (rows, groups)."""
    share = np.zeros((len(rows), len(table.groups)), dtype=np.int64)
    places = {row: [i for i, other in enumerate(rows) if other == row] for row in rows if row}
    for number, group in enumerate(table.groups):
        for part in group.slices:
            share[places.get((part.layer, part.side), []), number] += part.index.shape[1]
    return share
