"""Mask and remove units by slicing the tensors that the table of units names."""

import copyreg
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from copy import deepcopy
from types import NoneType
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.errors import UserError, unknown
from prunebench.pruning.kinds import cut_axes, widths
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Network, Side, Table, holder

Part = tuple[str, Side]
_HOLDERS = (dict, list, tuple)
_CONTAINERS = frozenset({OrderedDict, dict, set})
_ATOMS = frozenset({bool, int, float, str, NoneType})
_NEW: Any = getattr(copyreg, "__newobj__")  # noqa: B009  # how most classes say that their objects are made


def zero_units(network: Network, units: Mapping[str, Tensor]) -> None:
    """Set units to zero in place; widths do not change.

    Zeroes the weights, biases and BatchNorm of the units, and the weights that read them. So a zeroed unit equals a
    removed one for any nonlinearity.

    units: the units to set to zero, by group: their original numbers (any,).
    """
    for (name, side), gone in _positions(network, _checked(network, units)).items():
        _zero(*holder(network.model, name), side, gone)


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
    for (name, side), positions in places.items():
        _cut(*holder(model, name), side, positions)
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
    cut = [group for group in network.table.groups if len(network.kept[group.name]) < group.units]
    earlier = {group.name: _complement(group.units, network.kept[group.name]) for group in cut}
    now, before = _collect(network.table, gone), _collect(network.table, earlier)
    empty = torch.empty(0, dtype=torch.int64)
    return {part: dense - torch.searchsorted(before.get(part, empty), dense) for part, dense in now.items()}


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
            for part in group.slices:
                parts.setdefault((part.layer, part.side), []).append(part.index[units[group.name]].flatten())
    return {part: torch.unique(torch.cat(positions)) for part, positions in parts.items()}


def _copy(network: Network, places: Mapping[Part, Tensor]) -> nn.Module:
    """Copy a network, but share the tensors that will be cut: cutting replaces them."""
    parts = [(*holder(network.model, name), side) for name, side in places]
    cut = [getattr(layer, name) for layer, tensor, side in parts for name in cut_axes(layer, side, tensor)]
    return deep_copy(network.model, _memo(network.model) | {id(tensor): tensor for tensor in cut})


def copied(model: nn.Module, who: str) -> nn.Module:
    """Copy a network with all its tensors and modes. Raises `UserError` for one that holds what cannot be copied.

    who: how the error calls the network.
    """
    try:
        return deep_copy(model, _memo(model))
    except Exception as error:
        text = " ".join(str(error).split())
        what = f"{who} cannot be copied ({type(error).__name__}: {text})"
        raise UserError(f"{what}; keep such objects out of it") from error


def deep_copy(model: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Do what `deepcopy` does, in half of its time: it is slow at the many small attributes of modules.

    memo: copies by the id of the original, as for `deepcopy`.
    """
    states = [(module, _state(module)) for module in model.modules()]
    if all(state is not None for _, state in states):
        twins = {id(module): _NEW(type(module)) for module, _ in states}
        memo.update(twins)
        for module, state in states:
            twins[id(module)].__setstate__({name: _attribute(value, memo) for name, value in (state or {}).items()})
    return deepcopy(model, memo)


def _state(module: nn.Module) -> dict[str, Any] | None:
    """Give the attributes that `deepcopy` copies; None for a module that has a say in how it is copied."""
    kind = type(module)
    usual = kind.__setstate__.__module__.startswith("torch.nn.")  # another may read other modules' attributes
    usual = usual and all(getattr(kind, name) is getattr(nn.Module, name) for name in ("__getstate__", "__hash__"))
    if not usual or hasattr(kind, "__deepcopy__") or "__deepcopy__" in vars(module):
        return None
    how: Any = module.__reduce_ex__(4)
    plain = how[0] is _NEW and how[1] == (kind,) and all(part is None for part in how[3:])
    return how[2] if plain and type(how[2]) is dict else None


def _attribute(value: Any, memo: dict[int, Any]) -> Any:
    """Copy an attribute of a module. Most are numbers and words, or empty, as containers of hooks are."""
    kind = type(value)
    if kind in _ATOMS or (kind is tuple and all(type(inner) in _ATOMS for inner in value)):
        return value
    if kind in _CONTAINERS and not value:
        return memo.setdefault(id(value), kind())
    return deepcopy(value, memo)


def _memo(model: nn.Module) -> dict[int, Any]:
    """Copy the tensors that `deepcopy` refuses."""
    return {id(tensor): tensor.detach().clone() for tensor in plain_tensors(model)}


def plain_tensors(model: nn.Module) -> list[Tensor]:
    """List the tensors in plain attributes of modules; deepcopy refuses those that a forward pass left."""
    registered = {"_parameters", "_buffers", "_modules"}
    attributes = (
        value
        for module in model.modules()
        for name, value in vars(module).items()
        if type(value) not in _ATOMS and name not in registered
    )
    held = (value for value in attributes if isinstance(value, Tensor) or (isinstance(value, _HOLDERS) and value))
    return [tensor for value in held for tensor in _tensors(value)]


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _tensors(inner)


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
def _cut(layer: nn.Module, tensor: str, side: Side, gone: Tensor) -> None:
    if isinstance(layer, ChannelPad) and side == "in":
        _renumber(layer, gone)
    indices, stays = _indices(layer, side, gone), dict[int, Tensor]()
    for name, axis in cut_axes(layer, side, tensor).items():
        value = getattr(layer, name)
        count = value.shape[axis]
        if count not in stays:  # most tensors of a layer are equally long
            stays[count] = _complement(count, indices).to(value.device)
        small = _in_format_of(value, value.index_select(axis, stays[count]))
        setattr(layer, name, nn.Parameter(small, value.requires_grad) if isinstance(value, nn.Parameter) else small)
    if isinstance(layer, nn.GroupNorm):  # whole groups go
        layer.num_groups -= len(gone) * layer.num_groups // layer.num_channels
    for name in () if tensor else widths(layer, side):
        setattr(layer, name, getattr(layer, name) - len(gone))


def _indices(layer: nn.Module, side: Side, gone: Tensor) -> Tensor:
    """Turn positions into indices of the layer's tensors: a weight's input axis covers one convolution group."""
    if side == "in" and isinstance(layer, nn.Conv2d) and layer.groups > 1:
        within: Tensor = torch.unique(gone % (layer.in_channels // layer.groups))
        return within
    return gone


def _renumber(layer: ChannelPad, gone: Tensor) -> None:
    gone = gone.to(layer.index.device)
    index = layer.index - torch.searchsorted(gone, layer.index)
    layer.index = index.masked_fill(torch.isin(layer.index, gone), -1)


def _in_format_of(source: Tensor, tensor: Tensor) -> Tensor:
    # Strides decide: is_contiguous() cannot tell the two formats of a 1 x 1 convolution apart, but the backends can.
    channels_last = source.ndim == 4 and source.stride(1) == 1 and source.stride(3) == source.shape[1]
    return tensor.to(memory_format=torch.channels_last) if channels_last else tensor
