"""Remove residual blocks exactly: a module that passes its input on stands in the place of each."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from prunebench.blocks.finding import Block
from prunebench.pruning.network import Group, Network, Table
from prunebench.pruning.removal import remove

V = TypeVar("V")


def without_blocks(network: Network, gone: Collection[Block]) -> Network:
    """Copy a network without some blocks; the given network is not changed.

    The copy's table knows the remaining layers alone. A group all of whose layers are gone is no longer there.
    """
    copy = remove(network, {})
    if not gone:
        return copy
    for block in gone:
        parent, _, last = block.name.rpartition(".")
        setattr(copy.model.get_submodule(parent), last, block.stand_in().train(copy.model.training))
    table = _reduced(network.table, [block.name for block in gone])
    left = {group.name for group in table.groups}
    return replace(
        copy,
        table=table,
        kept=_among(copy.kept, left),
        gates=_among(copy.gates, left),
        masks=_among(copy.masks, table.positions),
        pushed=_among(copy.pushed, left),
        blocks=copy.blocks | {block.name for block in gone},
    )


def _among(values: Mapping[str, V], names: Collection[str]) -> dict[str, V]:
    return {name: value for name, value in values.items() if name in names}


def _reduced(table: Table, gone: Iterable[str]) -> Table:
    """Leave out what a table says of the modules inside removed blocks."""
    heads = tuple(gone)

    def stays(name: str) -> bool:
        return not any(name == head or name.startswith(f"{head}.") for head in heads)

    def left(values: Mapping[str, V]) -> dict[str, V]:
        return {name: value for name, value in values.items() if stays(name)}

    groups = (
        Group(
            group.name,
            group.units,
            tuple(filter(stays, group.producers)),
            tuple(part for part in group.slices if stays(part.layer)),
        )
        for group in table.groups
    )
    return replace(
        table,
        groups=tuple(group for group in groups if group.producers),
        positions=left(table.positions),
        norm=left(table.norm),
        tail=left(table.tail),
        joined={layer: place for layer, place in left(table.joined).items() if stays(place.module)},
        depthwise=left(table.depthwise),
        fixed=left(table.fixed),
    )
