"""From what goes with each unit to groups of units, joined where grouped convolutions tie them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import nn

from prunebench.pruning.dependencies import Found, Part
from prunebench.pruning.network import Group, Slice
from prunebench.pruning.tracing import depthwise

Ints = NDArray[np.int64]
NONE = 2**31  # the period of a side that has no groups: more positions than any has


def groups(model: nn.Module, found: Sequence[Found], order: Sequence[str]) -> Iterator[tuple[Group, str]]:
    """Join the units that must go together; gives each group with why its units must stay ("" if they need not).

    Two units go together if they need the same position of a layer. In a grouped convolution the same positions of all
    its groups count as one: the groups must stay equal. The joined units are numbered by their first member.

    Args:
        model: the network, for the layers' shapes.
        found: the units of its layers and what goes with each.
        order: convolutions and linear layers in the order of execution.
    """
    if not found:
        return
    first = np.cumsum([0, *(one.units for one in found)])  # units are numbered through
    home = np.repeat(np.arange(len(found)), np.diff(first))
    parts = list(dict.fromkeys(part for one in found for part in one.parts))
    unit, part, position = _flat(found, first, parts)
    period = np.array([_period(model, one) for one in parts])
    joined = _together(unit, part * period.max(initial=1) + position % period[part], int(first[-1]))
    family = _together(home, joined, len(found))
    rows = np.lexsort((part, family[home[unit]]))
    for number, columns in _runs(family[home[unit[rows]]], part[rows], unit[rows], position[rows]):
        rank, units = _ranked(joined, family[home] == number)
        pieces = {parts[one]: _index(rank[owner], places) for one, (owner, places) in _runs(*columns)}
        yield _group(
            model, [one for one, its in zip(found, family, strict=True) if its == number], pieces, units, order
        )


def _runs(values: Ints, *columns: Ints) -> Iterator[tuple[int, list[Ints]]]:
    """Split columns where the sorted values change; gives each value with its pieces."""
    cuts = np.flatnonzero(np.diff(values)) + 1
    for value, *pieces in zip(*(np.split(column, cuts) for column in (values, *columns)), strict=True):
        yield int(value[0]), pieces


def _flat(found: Sequence[Found], first: Ints, parts: Sequence[Part]) -> tuple[Ints, Ints, Ints]:
    """Give unit, number of the part and position of all that was found, (rows,) each."""
    number = {part: place for place, part in enumerate(parts)}
    rows = [
        (start + pairs[:, 1], np.full(len(pairs), number[part]), pairs[:, 0])
        for one, start in zip(found, first, strict=False)
        for part, pairs in ((part, np.array(pairs)) for part, pairs in one.parts.items())
    ]
    unit, part, position = (np.concatenate(column) for column in zip(*rows, strict=True))
    return unit, part, position


def _period(model: nn.Module, part: Part) -> int:
    """Give the positions in each group of a grouped convolution's side; of other layers all positions."""
    layer, side = model.get_submodule(part[0]), part[1]
    if not isinstance(layer, nn.Conv2d) or layer.groups == 1 or depthwise(layer):
        return NONE
    return (layer.in_channels if side == "in" else layer.out_channels) // layer.groups


def _together(one: Ints, other: Ints, count: int) -> Ints:
    """Label numbers below `count`: those that meet in an `other`, also by way of third ones, have one label."""
    keys, other = np.unique(other, return_inverse=True)
    graph = coo_array((np.ones(len(one)), (one, count + other)), shape=(count + len(keys),) * 2)
    labels: Ints = connected_components(graph, directed=False)[1][:count].astype(np.int64)
    return labels


def _ranked(labels: Ints, mine: NDArray[np.bool_]) -> tuple[Ints, int]:
    """Turn the labels of some units into numbers, in the order of their first units: (all units,), -1 for others.

    Gives also how many there are.
    """
    rank = np.full(len(labels), -1)
    _, firsts, inverse = np.unique(labels[mine], return_index=True, return_inverse=True)
    rank[mine] = firsts.argsort().argsort()[inverse]
    return rank, len(firsts)


def _index(unit: Ints, position: Ints) -> tuple[Ints, Ints]:
    """Sort the rows of one part by unit and position, each once."""
    width = position.max() + 1
    owner, place = np.divmod(np.unique(unit * width + position), width)
    return owner, place


def _group(
    model: nn.Module, members: Sequence[Found], pieces: dict[Part, tuple[Ints, Ints]], units: int, order: Sequence[str]
) -> tuple[Group, str]:
    reasons = {one.fixed for one in members} - {""}
    slices = []
    for (layer, side), (owner, position) in pieces.items():
        share = np.bincount(owner, minlength=units)
        if (share == share[0]).all() and _whole(model, (layer, side), position.reshape(units, -1)):
            slices.append(Slice(layer, side, torch.from_numpy(position.reshape(units, -1).copy())))
        else:
            reasons.add(f"'{layer}', which does not use all of them alike")
    outs = {layer for layer, side in pieces if side == "out"}
    if units == 1 and any(side == "in" for _, side in pieces):
        reasons.add(_single(model, pieces, sum(one.units for one in members)))
    group = Group(members[0].root, units, tuple(layer for layer in order if layer in outs), tuple(slices))
    return group, "output" if "output" in reasons else min(reasons, default="")


def _single(model: nn.Module, parts: Iterable[Part], width: int) -> str:
    ties = (layer for layer, side in parts if _period(model, (layer, side)) != NONE)
    return f"'{next(ties)}', whose groups must stay equal" if width > 1 else "its width of one unit"


def _whole(model: nn.Module, part: Part, places: Ints) -> bool:
    """Tell whether every unit has its positions in all groups of a grouped convolution. places: (units, k)."""
    tied = getattr(model.get_submodule(part[0]), "groups", 1)
    period = _period(model, part)
    return period == NONE or all(len(np.unique(row % period)) * tied == len(row) for row in places)
