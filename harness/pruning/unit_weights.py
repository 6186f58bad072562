"""The weights and parameters that belong to each unit of a group, for regularisers of whole units."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunebench.pruning.kinds import KINDS, cut_axes
from prunebench.pruning.network import Group, Network, Side, holder


@dataclass(frozen=True, eq=False)
class UnitWeights:
    """One side of one layer's weight. index: (units, k), positions of the remaining units along `axis`."""

    layer: str
    side: Side
    weight: Tensor
    axis: int
    index: Tensor

    def sums(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Sum an elementwise function over each unit's weights; differentiable. Returns (units,)."""
        along = function(self.weight).movedim(self.axis, 0).reshape(self.weight.shape[self.axis], -1).sum(dim=1)
        return along[self.index].sum(dim=1)

    def rows(self) -> Tensor:
        """Give each unit's weights as one row: (units, weights of a unit); differentiable."""
        return self.weight.movedim(self.axis, 0)[self.index].flatten(1)


def unit_weights(network: Network, group: Group) -> list[UnitWeights]:
    """Give the weights of a group's units: in the producers, in their BatchNorm, and in the layers that read the units.

    Input positions of a grouped convolution count within one convolution group.
    """
    weights = []
    for layer, side in dict.fromkeys((part.layer, part.side) for part in group.slices):
        module = network.layer(layer)
        weight = getattr(module, "weight", None)  # None for a ChannelPad and for a BatchNorm with affine=False
        if isinstance(module, KINDS) and isinstance(weight, Tensor):
            index = network.positions(group, layer, side).to(weight.device)
            if side == "in" and isinstance(module, nn.Conv2d) and module.groups > 1:
                index = torch.unique(index % weight.shape[1], dim=1)
            weights.append(UnitWeights(layer, side, weight, cut_axes(module, side)["weight"], index))
    return weights


def own_parameters(network: Network, group: Group) -> int:
    """Count the parameters of each unit's own: weights that write it, biases, BatchNorm; not the weights that read it.

    So every weight is of one unit at most, the one that it writes. All units of a group have the same number.

    >>> from prunebench.testing import toys
    >>> chain = toys.chain()  # 6 filters of 9 weights and a bias, 4 of 24 weights with a BatchNorm, 8 of 16 and a bias
    >>> [own_parameters(chain, group) for group in chain.table.groups]
    [10, 26, 17]
    """
    count = 0
    for part in group.slices:
        module, tensor = holder(network.model, part.layer)
        for name, axis in cut_axes(module, "out", tensor).items() if part.side == "out" else ():
            value = getattr(module, name)
            if isinstance(value, nn.Parameter):
                count += part.index.shape[1] * value.numel() // value.shape[axis]
    return count
