"""Places of evidence: the layers that write units, those that read them, and the modules that pass them on."""

from torch import nn

from prunebench.pruning.kinds import LAYERS, NORMS
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Group, Network, Place, Side

READERS = (*LAYERS, nn.ConvTranspose2d, ChannelPad)


def producers(network: Network) -> list[str]:
    """Names of the layers that write units of a group, each once, in the order of the table."""
    return list(dict.fromkeys(layer for group in network.table.groups for layer in group.producers))


def pads(network: Network, group: Group) -> list[str]:
    """Names of the shortcuts without parameters that write units of a group."""
    writers = dict.fromkeys(unit_slice.layer for unit_slice in group.slices if unit_slice.side == "out")
    return [name for name in writers if isinstance(network.layer(name), ChannelPad)]


def readers(network: Network, group: Group) -> dict[str, Side]:
    """Name the layers that read a group's units, each with the side on which the table has its positions.

    Padding shortcuts read, too. So does a depthwise convolution, whose inputs have the positions of its outputs.
    """
    sides: dict[str, Side] = {layer: "out" for layer in group.producers if layer in network.table.depthwise}
    for part in group.slices:
        if part.side == "in" and isinstance(network.layer(part.layer), READERS):
            sides[part.layer] = "in"
    return sides


def all_readers(network: Network) -> list[str]:
    """Names of the layers that read units of any group, each once."""
    return list(dict.fromkeys(layer for group in network.table.groups for layer in readers(network, group)))


def reading_norms(network: Network, group: Group) -> list[str]:
    """Name the BatchNorms that read a group's units and follow no single layer, as in DenseNet."""
    read = dict.fromkeys(part.layer for part in group.slices if isinstance(network.layer(part.layer), NORMS))
    return [name for name in read if name not in network.table.norm.values()]


def feature_map(network: Network, layer: str) -> Place:
    """Find the tensor that is a layer's `feature_map`: the end of its chain, or what becomes of it, `Table.joined`."""
    return network.table.joined.get(layer, Place(network.table.tail.get(layer, layer)))
