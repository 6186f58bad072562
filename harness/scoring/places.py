"""Places of evidence: the layers that write units, and the modules whose output is `normed` or `feature_map`."""

from prunebench.pruning.kinds import NORMS
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Group, Network


def producers(network: Network) -> list[str]:
    """Names of the layers that write units of a group, each once, in the order of the table."""
    return list(dict.fromkeys(layer for group in network.table.groups for layer in group.producers))


def pads(network: Network, group: Group) -> list[str]:
    """Names of the shortcuts without parameters that write units of a group."""
    writers = dict.fromkeys(unit_slice.layer for unit_slice in group.slices if unit_slice.side == "out")
    return [name for name in writers if isinstance(network.layer(name), ChannelPad)]


def normaliser(network: Network, layer: str) -> str:
    """Name the module whose output is `normed`: the BatchNorm that follows a layer, else the layer itself.

    The module is the layer itself, too, if a BatchNorm that belongs to no layer reads the same units (DenseNet).
    """
    owned = set(network.table.norm.values())
    for group in network.table.groups:
        read = {unit_slice.layer for unit_slice in group.slices if isinstance(network.layer(unit_slice.layer), NORMS)}
        if layer in group.producers and read - owned:
            return layer
    return network.table.norm.get(layer, layer)


def feature_map_place(network: Network, layer: str) -> tuple[str, int]:
    """Name the module whose output is `feature_map`, and the number of its call.

    The module ends a layer's chain or, on a residual stream, reads the stream next. Calls count from 1; 0 is the first
    call after the layer ran.
    """
    tail = network.table.tail.get(layer, layer), 0
    if any(layer in group.producers and count_writers(network, group) > 1 for group in network.table.groups):
        return network.table.joined.get(layer, tail)
    return tail


def count_writers(network: Network, group: Group) -> int:
    """Count the layers and padding shortcuts that write a group's units.

    A depthwise convolution does not count if it alone reads a layer: it only passes that layer's units on.
    """
    passing = {layer for layer, read in network.table.depthwise.items() if read}
    return len({*group.producers, *pads(network, group)} - passing)
