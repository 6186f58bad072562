"""Groups of the same structure: their units can be ranked together."""

from prunebench.pruning.network import Group, Network

Signature = tuple[tuple[str, str], ...]


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
