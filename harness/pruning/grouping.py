"""Join the units of layers into groups: units that share a position, or that a grouped convolution ties."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunebench.pruning.dependencies import Found, Pairs, Part
from prunebench.pruning.kinds import depthwise
from prunebench.pruning.network import Group, Slice, holder

Ints = NDArray[np.int64]
NONE = 2**31  # the period of a side without convolution groups: more positions than any layer has


def groups(model: nn.Module, found: Sequence[Found], order: Sequence[str]) -> Iterator[tuple[Group, str]]:
    """Join the units that must be removed together; yields groups, each with why its units must stay ("" if not).

    Two units are joined if they need the same position of a layer. In a grouped convolution, one position in all
    convolution groups counts as the same, since these groups must stay equal. So do all channels of one group of a
    GroupNorm. Joined units are numbered by the first.

    Args:
        model: the network, for the layers' shapes.
        found: the units of its layers, from `dependencies`.
        order: convolutions and linear layers in the order of execution.
    """
    if not found:
        return
    first = np.cumsum([0, *(entry.units for entry in found)])  # units of all entries are numbered consecutively
    entry_of = np.repeat(np.arange(len(found)), np.diff(first))
    parts = list(dict.fromkeys(part for entry in found for part in entry.parts))
    unit, part, position = _columns(found, first, parts)
    period, block = np.array([_tie(model, one) for one in parts]).T
    joined = _components(unit, part * period.max(initial=1) + position % period[part] // block[part], int(first[-1]))
    group_of = _components(entry_of, joined, len(found))
    rows = np.lexsort((part, group_of[entry_of[unit]]))
    for number, columns in _runs(group_of[entry_of[unit[rows]]], part[rows], unit[rows], position[rows]):
        rank, units = _ranked(joined, group_of[entry_of] == number)
        pairs = {parts[one]: _sorted_pairs(rank[owner], places) for one, (owner, places) in _runs(*columns)}
        members = [entry for entry, its_group in zip(found, group_of, strict=True) if its_group == number]
        yield _group(model, members, pairs, units, order)


def _runs(values: Ints, *columns: Ints) -> Iterator[tuple[int, list[Ints]]]:
    """Split columns where the sorted values change; yields each value with its part of every column."""
    cuts = np.flatnonzero(np.diff(values)) + 1
    for value, *run in zip(*(np.split(column, cuts) for column in (values, *columns)), strict=True):
        yield int(value[0]), run


def _columns(found: Sequence[Found], first: Ints, parts: Sequence[Part]) -> tuple[Ints, Ints, Ints]:
    """Give the unit, the number of the part and the position of every pair in all entries, (rows,) each."""
    number = {part: place for place, part in enumerate(parts)}
    lists = {id(pairs): pairs for entry in found for several in entry.parts.values() for pairs in several}
    arrays = {key: _array(pairs) for key, pairs in lists.items()}
    rows = [
        (start + pairs[:, 1], np.full(len(pairs), number[part]), pairs[:, 0])
        for entry, start in zip(found, first, strict=False)
        for part, several in entry.parts.items()
        for pairs in (arrays[id(one)] for one in several)
    ]
    unit, part, position = (np.concatenate(column) for column in zip(*rows, strict=True))
    return unit, part, position


def _array(pairs: Pairs) -> Ints:
    return np.fromiter(chain.from_iterable(pairs), np.int64).reshape(-1, 2)  # `array` is slow at named tuples


def _tie(model: nn.Module, part: Part) -> tuple[int, int]:
    """Say which positions on one side of a layer are tied: those with the same position % period // block.

    In a grouped convolution, the same position of every group; in a GroupNorm, the channels of one group.
    """
    (layer, tensor), side = holder(model, part[0]), part[1]
    if isinstance(layer, nn.GroupNorm) and not tensor:
        return NONE, layer.num_channels // layer.num_groups
    if not isinstance(layer, nn.Conv2d) or layer.groups == 1 or depthwise(layer):
        return NONE, 1
    return (layer.in_channels if side == "in" else layer.out_channels) // layer.groups, 1


def _components(one: Ints, other: Ints, count: int) -> Ints:
    """Label the numbers below `count`: two numbers in `one` that share a key in `other` get one label."""
    keys, other = np.unique(other, return_inverse=True)
    least, before = np.arange(count), np.arange(0)
    while not np.array_equal(least, before):  # the least number that each can reach; without SciPy, for small machines
        before, reached = least.copy(), np.full(len(keys), count)
        np.minimum.at(reached, other, least[one])
        np.minimum.at(least, one, reached[other])
        least = least[least]
    labels: Ints = np.unique(least, return_inverse=True)[1].astype(np.int64)
    return labels


def _ranked(labels: Ints, mine: NDArray[np.bool_]) -> tuple[Ints, int]:
    """Turn the labels in `mine` into numbers, by first occurrence: (all units,), -1 elsewhere; and count the labels."""
    rank = np.full(len(labels), -1)
    _, firsts, inverse = np.unique(labels[mine], return_index=True, return_inverse=True)
    rank[mine] = firsts.argsort().argsort()[inverse]
    return rank, len(firsts)


def _sorted_pairs(unit: Ints, position: Ints) -> tuple[Ints, Ints]:
    """Sort the rows of one part by unit and position, and drop repeated rows."""
    width = position.max() + 1
    code = unit * width + position
    if (np.diff(code) > 0).all():  # as for most parts
        return unit, position
    owner, place = np.divmod(np.unique(code), width)
    return owner, place


def _group(
    model: nn.Module, members: Sequence[Found], pairs: dict[Part, tuple[Ints, Ints]], units: int, order: Sequence[str]
) -> tuple[Group, str]:
    reasons = {entry.fixed for entry in members} - {""}
    slices, indices = list[Slice](), dict[bytes, Tensor]()  # most parts have the same index, and share it
    for (layer, side), (owner, position) in pairs.items():
        share = np.bincount(owner, minlength=units)
        if (share == share[0]).all() and _in_all_groups(model, (layer, side), position.reshape(units, -1)):
            index = indices.setdefault(position.tobytes(), torch.from_numpy(position.reshape(units, -1).copy()))
            slices.append(Slice(layer, side, index))
        else:
            reasons.add(f"'{layer}', which does not use all units in the same way")
    outs = {layer for layer, side in pairs if side == "out"}
    if units == 1 and any(side == "in" for _, side in pairs):
        reasons.add(_why_one_unit(model, pairs, sum(entry.units for entry in members)))
    group = Group(members[0].root, units, tuple(layer for layer in order if layer in outs), tuple(slices))
    return group, "output" if "output" in reasons else min(reasons, default="")


def _why_one_unit(model: nn.Module, parts: Iterable[Part], width: int) -> str:
    ties = (layer for layer, side in parts if _tie(model, (layer, side)) != (NONE, 1))
    tie = next(ties, None)
    why = f"'{tie}', whose groups must stay equal" if tie else "an operation that mixes units"
    return why if width > 1 else "its width of one unit"


def _in_all_groups(model: nn.Module, part: Part, places: Ints) -> bool:
    """Tell whether every unit has positions in all groups of a grouped convolution. places: (units, k)."""
    period, _ = _tie(model, part)
    tied = getattr(holder(model, part[0])[0], "groups", 1)
    return period == NONE or all(len(np.unique(row % period)) * tied == len(row) for row in places)
