"""Mask and remove units by slicing the tensors that the table of units names."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunebench.errors import unknown
from prunebench.pruning.copies import deep_copy, plain_copies
from prunebench.pruning.kinds import cut_axes, widths
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Network, Side, Table, holder

Part = tuple[str, Side]
Stays = dict[tuple[int, int, torch.device], tuple[Tensor, Tensor]]  # by the id of indices, which are kept
_NONE = torch.empty(0, dtype=torch.int64)
_RUNS = 8  # up to so many, copying runs of neighbours is faster than an index


def zero_units(network: Network, units: Mapping[str, Tensor]) -> None:
    """Set units to zero in place; widths do not change.

    Zeroes the weights, biases and BatchNorm of the units, and the weights that read them. So a zeroed unit equals a
    removed one for any nonlinearity.

    units: the units to set to zero, by group: their original numbers (any,).
    """
    for (name, side), gone in _positions(network, _checked(network, units)).items():
        _zero(*holder(network.model, name), side, gone)


@torch.no_grad()
def reorder(network: Network, orders: Mapping[str, Tensor]) -> None:
    """Put the remaining units of groups in another order, in place. With a right table, the network computes the same.

    Only the model is changed: kept units, gates, masks and pushed units stay as they are.

    orders: by group, which unit comes to each place: a permutation (remaining units,).
    """
    before, moves = _collect(network.table, _earlier(network)), dict[Part, list[tuple[Tensor, Tensor]]]()
    for group in network.table.groups:
        if group.name in orders:
            for part in group.slices:
                key = part.layer, part.side
                places = part.index[network.kept[group.name]]
                places = places - torch.searchsorted(before.get(key, _NONE), places)
                moves.setdefault(key, []).append((places.flatten(), places[orders[group.name]].flatten()))
    for (name, side), pairs in moves.items():
        _reorder(*holder(network.model, name), side, *map(torch.cat, zip(*pairs, strict=True)))


def remove(network: Network, units: Mapping[str, Tensor]) -> Network:
    """Copy a network without some units; the given network is not changed.

    The copy keeps training mode, `requires_grad`, dtype, device and memory format. Its parameters are new objects, so
    it needs a new optimiser.

    Args:
        network: dense or already pruned.
        units: the units to remove, by group: their original numbers (any,). One unit of each group must stay.
    """
    gone, places = _places(network, units)
    return _without(network, _copy(network, places), gone, places)


def remove_in_place(network: Network, units: Mapping[str, Tensor]) -> Network:
    """Remove units without a copy: cuts the given network's model, which is used up. Else like `remove`."""
    return _without(network, network.model, *_places(network, units))


def _places(network: Network, units: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[Part, Tensor]]:
    """Give the units to remove, by group, and their current positions, by layer and side."""
    gone = _checked(network, units)
    if gone and network.masks:
        raise ValueError("units cannot be removed after single weights were pruned; start from a network without masks")
    return gone, _positions(network, gone)


def _without(network: Network, model: nn.Module, gone: Mapping[str, Tensor], places: Mapping[Part, Tensor]) -> Network:
    """Cut a model of the network in place, and forget the units."""
    shared: Stays = {}
    for (name, side), positions in places.items():
        _cut(*holder(model, name), side, positions, shared)
    kept, gates, pushed = dict(network.kept), dict(network.gates), dict(network.pushed)
    for group, numbers in gone.items():
        stays = ~torch.isin(network.kept[group], numbers)
        kept[group] = network.kept[group][stays]
        for of_units in (gates, pushed):
            if group in of_units:
                of_units[group] = of_units[group][stays.to(of_units[group].device)]
    return Network(model, network.table, kept, gates, dict(network.masks), pushed, network.blocks)


def _checked(network: Network, requested: Mapping[str, Tensor]) -> dict[str, Tensor]:
    result: dict[str, Tensor] = {}
    for name, given in requested.items():
        if name not in network.kept:
            raise unknown("group", name, network.kept)
        kept, units = network.kept[name], torch.unique(given).to("cpu", torch.int64)
        if not torch.isin(units, kept).all():
            raise ValueError(f"group '{name}': some of the units {units.tolist()} do not exist or were removed before")
        if len(units) == len(kept):
            raise ValueError(f"group '{name}': all {len(kept)} units would be removed; at least one must stay")
        if len(units):
            result[name] = units
    return result


def _positions(network: Network, gone: Mapping[str, Tensor]) -> dict[Part, Tensor]:
    """Give the sorted current positions of the units to remove, by layer and side."""
    now, before = _collect(network.table, gone), _collect(network.table, _earlier(network))
    found: dict[tuple[int, int], Tensor] = {}  # by the ids of dense and earlier positions, which most layers share
    places: dict[Part, Tensor] = {}
    for part, dense in now.items():
        earlier = before.get(part, _NONE)
        key = id(dense), id(earlier)
        if key not in found:
            found[key] = dense - torch.searchsorted(earlier, dense)
        places[part] = found[key]
    return places


def _earlier(network: Network) -> dict[str, Tensor]:
    """Give the units that were removed before, by group."""
    cut = [group for group in network.table.groups if len(network.kept[group.name]) < group.units]
    return {group.name: _complement(group.units, network.kept[group.name]) for group in cut}


def lost(before: Network, after: Network) -> dict[Part, Tensor]:
    """Give the sorted positions (any,) in `before` of the units that `after` lacks, by layer and side.

    >>> from prunebench.testing import toys
    >>> chain = toys.chain()
    >>> lost(chain, remove(chain, {"0": torch.tensor([1, 2])}))
    {('0', 'out'): tensor([1, 2]), ('2', 'in'): tensor([1, 2])}
    """
    gone = {name: kept[~torch.isin(kept, after.kept[name])] for name, kept in before.kept.items()}
    return _positions(before, {name: units for name, units in gone.items() if len(units)})


def _complement(count: int, numbers: Tensor) -> Tensor:
    stays = torch.ones(count, dtype=torch.bool)
    stays[numbers] = False
    return stays.nonzero().flatten()


def _collect(table: Table, units: Mapping[str, Tensor]) -> dict[Part, Tensor]:
    """Give the sorted positions of units in the dense layers, by layer and side; several groups may share a side."""
    parts: dict[Part, list[Tensor]] = {}
    for group in table.groups:
        if group.name in units:
            indices = {id(part.index): part.index for part in group.slices}  # most layers share one
            found = {key: torch.unique(index[units[group.name]]) for key, index in indices.items()}
            for part in group.slices:
                parts.setdefault((part.layer, part.side), []).append(found[id(part.index)])
    return {part: one[0] if len(one) == 1 else torch.unique(torch.cat(one)) for part, one in parts.items()}


def _copy(network: Network, places: Mapping[Part, Tensor]) -> nn.Module:
    """Copy a network, but share the tensors that will be cut: cutting replaces them."""
    parts = [(*holder(network.model, name), side) for name, side in places]
    cut = [getattr(layer, name) for layer, tensor, side in parts for name in cut_axes(layer, side, tensor)]
    return deep_copy(network.model, plain_copies(network.model) | {id(tensor): tensor for tensor in cut})


@torch.no_grad()
def _zero(layer: nn.Module, tensor: str, side: Side, gone: Tensor) -> None:
    if isinstance(layer, ChannelPad):
        hit = torch.isin(layer.index, gone.to(layer.index.device)) if side == "in" else gone.to(layer.index.device)
        layer.index[hit] = -1
        return
    for name, axis in cut_axes(layer, side, tensor).items():
        value = getattr(layer, name)
        if isinstance(value, nn.Parameter):
            value.index_fill_(axis, _indices(layer, side, gone).to(value.device), 0)


@torch.no_grad()
def _cut(layer: nn.Module, tensor: str, side: Side, gone: Tensor, stays: Stays) -> None:
    """Cut one side of a layer. stays: indices of what stays, which most layers and tensors of a group share."""
    if isinstance(layer, ChannelPad) and side == "in":
        _renumber(layer, gone)
    indices = _indices(layer, side, gone)
    for name, axis in cut_axes(layer, side, tensor).items():
        value = getattr(layer, name)
        key = id(indices), value.shape[axis], value.device
        if key not in stays:
            stays[key] = indices, _complement(value.shape[axis], indices).to(value.device)
        small = _in_format_of(value, value.index_select(axis, stays[key][1]))
        setattr(layer, name, nn.Parameter(small, value.requires_grad) if isinstance(value, nn.Parameter) else small)
    if isinstance(layer, nn.GroupNorm):  # whole groups go
        layer.num_groups -= len(gone) * layer.num_groups // layer.num_channels
    for name in () if tensor else widths(layer, side):
        setattr(layer, name, getattr(layer, name) - len(gone))


def _reorder(layer: nn.Module, tensor: str, side: Side, places: Tensor, sources: Tensor) -> None:
    if isinstance(layer, ChannelPad) and side == "in":
        moved = torch.arange(layer.in_channels).index_copy_(0, sources, places).to(layer.index.device)
        layer.index = torch.where(layer.index < 0, layer.index, moved[layer.index])
    for name, axis in cut_axes(layer, side, tensor).items():
        value = getattr(layer, name)
        order = torch.arange(value.shape[axis])
        order[_within(layer, side, places)] = _within(layer, side, sources)
        moved = _in_order(value, axis, order)
        setattr(layer, name, nn.Parameter(moved, value.requires_grad) if isinstance(value, nn.Parameter) else moved)


def _in_order(value: Tensor, axis: int, order: Tensor) -> Tensor:
    """Select in another order. A few runs of neighbours are copied as runs, which takes half of the time."""
    ends = [*((order.diff() != 1).nonzero().flatten() + 1).tolist(), len(order)]
    if len(ends) > _RUNS:
        return value.index_select(axis, order.to(value.device))
    starts = [0, *ends[:-1]]
    runs = [value.narrow(axis, int(order[start]), end - start) for start, end in zip(starts, ends, strict=True)]
    return torch.cat(runs, axis)


def _indices(layer: nn.Module, side: Side, gone: Tensor) -> Tensor:
    """Turn sorted positions into sorted indices of the layer's tensors."""
    within = _within(layer, side, gone)
    return within if within is gone else torch.unique(within)


def _within(layer: nn.Module, side: Side, positions: Tensor) -> Tensor:
    """Turn positions into indices of the layer's tensors: a weight's input axis covers one convolution group."""
    if side == "in" and isinstance(layer, nn.Conv2d) and layer.groups > 1:
        return positions % (layer.in_channels // layer.groups)
    return positions


def _renumber(layer: ChannelPad, gone: Tensor) -> None:
    gone = gone.to(layer.index.device)
    index = layer.index - torch.searchsorted(gone, layer.index)
    layer.index = index.masked_fill(torch.isin(layer.index, gone), -1)


def _in_format_of(source: Tensor, tensor: Tensor) -> Tensor:
    # Strides decide: is_contiguous() cannot tell the two formats of a 1 x 1 convolution apart, but the backends can.
    channels_last = source.ndim == 4 and source.stride(1) == 1 and source.stride(3) == source.shape[1]
    return tensor.to(memory_format=torch.channels_last) if channels_last else tensor
