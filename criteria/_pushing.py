"""The units that a regulariser pushes to zero: those of least norm, a share of every coupled group."""

import math

import torch
from torch import Tensor

from prunebench import Group, Network, UnitWeights, unit_weights


def lowest(norms: Tensor, share: float) -> Tensor:
    """Choose the smallest units, ceil(share x units) of them, but never all. norms: (units,). Returns bool (units,).

    >>> lowest(torch.tensor([3.0, 1.0, 2.0]), 0.5).tolist(), lowest(torch.tensor([1.0, 2.0]), 0.9).tolist()
    ([False, True, True], [True, False])
    """
    count = min(math.ceil(share * len(norms) - 1e-9), len(norms) - 1)  # 0.07 x 100 is a little more than 7 in floats
    chosen = torch.zeros(len(norms), dtype=torch.bool, device=norms.device)
    chosen[norms.argsort(stable=True)[:count]] = True
    return chosen


def written_by(network: Network, group: Group) -> list[UnitWeights]:
    """Give the weights of a group's units in all layers that write them."""
    return [part for part in unit_weights(network, group) if part.side == "out" and part.layer in group.producers]
