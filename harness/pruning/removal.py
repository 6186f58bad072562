"""Mask and remove: our own slicing on the table of units."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from prunebench.errors import unknown
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Network, Side, Table
from prunebench.pruning.tracing import NORMS, depthwise

Part = tuple[str, Side]


def mask(network: Network, units: Mapping[str, Tensor]) -> None:
    """Set units to zero in place, with the widths unchanged.

    Zeroes the units' own weights, biases and BatchNorm and also what reads them, so it equals a removal for any
    nonlinearity. units: by group, original numbers (any,) of units that are still there.
    """
    for (name, side), gone in _positions(network, _checked(network, units)).items():
        _zero(network.layer(name), side, gone)


def remove(network: Network, units: Mapping[str, Tensor]) -> Network:
    """Give a new network without some units; the given one stays as it is.

    Training mode, `requires_grad`, dtype, device and memory format stay; parameters are new objects, so an optimiser
    must be made anew.

    Args:
        network: dense or already pruned.
        units: by group, original numbers (any,) of units that are still there, never all of a group.
    """
    gone = _checked(network, units)
    if gone and network.masks:
        raise ValueError("units cannot be removed from a network that has lost single weights")
    places = _positions(network, gone)
    model = _copy(network, places)
    for (name, side), positions in places.items():
        _cut(model.get_submodule(name), side, positions)
    kept, gates = dict(network.kept), dict(network.gates)
    for group, numbers in gone.items():
        stays = ~torch.isin(network.kept[group], numbers)
        kept[group] = network.kept[group][stays]
        if group in gates:
            gates[group] = gates[group][stays.to(gates[group].device)]
    return Network(model, network.table, kept, gates, dict(network.masks))


def _checked(network: Network, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    result: dict[str, Tensor] = {}
    for name, given in wanted.items():
        if name not in network.kept:
            raise unknown("group", name, network.kept)
        kept, units = network.kept[name], torch.unique(given).to("cpu", torch.int64)
        if not torch.isin(units, kept).all():
            raise ValueError(f"group '{name}': some of the units {units.tolist()} are not there")
        if len(units) == len(kept):
            raise ValueError(f"group '{name}': all {len(kept)} units would go")
        if len(units):
            result[name] = units
    return result


def _positions(network: Network, gone: Mapping[str, Tensor]) -> dict[Part, Tensor]:
    """Where the units `gone` are in the layers as they are now, by layer and side; sorted."""
    earlier = {g.name: _others(g.units, network.kept[g.name]) for g in network.table.groups}
    now, before = _collect(network.table, gone), _collect(network.table, earlier)
    empty = torch.empty(0, dtype=torch.int64)
    return {part: dense - torch.searchsorted(before.get(part, empty), dense) for part, dense in now.items()}


def _others(units: int, kept: Tensor) -> Tensor:
    everything = torch.arange(units)
    return everything[~torch.isin(everything, kept)]


def _collect(table: Table, units: Mapping[str, Tensor]) -> dict[Part, Tensor]:
    """Positions of units in the dense layers, by layer and side; several groups may share a side."""
    parts: dict[Part, list[Tensor]] = {}
    for group in table.groups:
        if group.name in units:
            for piece in group.slices:
                parts.setdefault((piece.layer, piece.side), []).append(piece.index[units[group.name]].flatten())
    return {part: torch.unique(torch.cat(pieces)) for part, pieces in parts.items()}


def _copy(network: Network, places: Mapping[Part, Tensor]) -> nn.Module:
    """Copy a network; tensors that will be cut are shared, since cutting makes new ones."""
    layers = {name: network.layer(name) for name, _ in places}
    cut = [getattr(layers[name], tensor) for name, side in places for tensor in _axes(layers[name], side)]
    return deepcopy(network.model, {id(tensor): tensor for tensor in cut if tensor is not None})


@torch.no_grad()
def _zero(layer: nn.Module, side: Side, gone: Tensor) -> None:
    if isinstance(layer, ChannelPad):
        hit = torch.isin(layer.index, gone.to(layer.index.device)) if side == "in" else gone.to(layer.index.device)
        layer.index[hit] = -1
        return
    for name, axis in _axes(layer, side).items():
        tensor = getattr(layer, name)
        if isinstance(tensor, nn.Parameter):
            tensor.index_fill_(axis, _rows(layer, side, gone).to(tensor.device), 0)


@torch.no_grad()
def _cut(layer: nn.Module, side: Side, gone: Tensor) -> None:
    if isinstance(layer, ChannelPad) and side == "in":
        _renumber(layer, gone)
    for name, axis in _axes(layer, side).items():
        tensor = getattr(layer, name)
        if tensor is None:
            continue
        stays = _others(tensor.shape[axis], _rows(layer, side, gone)).to(tensor.device)
        small = _like(tensor, tensor.index_select(axis, stays))
        setattr(layer, name, nn.Parameter(small, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else small)
    for name in _counts(layer, side):
        setattr(layer, name, getattr(layer, name) - len(gone))


def _rows(layer: nn.Module, side: Side, gone: Tensor) -> Tensor:
    """Turn positions into those in the layer's tensors: the input side of a weight is that of one group."""
    if side == "in" and isinstance(layer, nn.Conv2d) and layer.groups > 1:
        within: Tensor = torch.unique(gone % (layer.in_channels // layer.groups))
        return within
    return gone


def _axes(layer: nn.Module, side: Side) -> dict[str, int]:
    """Tensors that one side of a layer is cut from, each with the axis."""
    if isinstance(layer, ChannelPad):
        return {"index": 0, "scale": 0} if side == "out" else {}
    if side == "in":
        return {"weight": 1}
    both = {"weight": 0, "bias": 0}
    return both | ({"running_mean": 0, "running_var": 0} if isinstance(layer, NORMS) else {})


def _counts(layer: nn.Module, side: Side) -> tuple[str, ...]:
    """Attributes that hold the width of one side of a layer."""
    if isinstance(layer, NORMS):
        return ("num_features",)
    if isinstance(layer, nn.Linear):
        return (f"{side}_features",)
    if depthwise(layer):  # both sides are the same channels
        return ("in_channels", "out_channels", "groups")
    return (f"{side}_channels",)


def _renumber(layer: ChannelPad, gone: Tensor) -> None:
    gone = gone.to(layer.index.device)
    index = layer.index - torch.searchsorted(gone, layer.index)
    layer.index = index.masked_fill(torch.isin(layer.index, gone), -1)


def _like(source: Tensor, tensor: Tensor) -> Tensor:
    # By the strides: is_contiguous() cannot tell the two formats of a 1 x 1 convolution apart, the backends do.
    channels_last = source.ndim == 4 and source.stride(1) == 1 and source.stride(3) == source.shape[1]
    return tensor.to(memory_format=torch.channels_last) if channels_last else tensor
