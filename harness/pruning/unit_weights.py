"""The weights that belong to each unit of a group: what regularisers of whole units act on."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunebench.pruning.network import Group, Network, Side


@dataclass(frozen=True, eq=False)
class UnitWeights:
    """One side of one layer's weight. index: (units, k) positions of the units still there along `axis`."""

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
        """Give each unit's weights in a row; differentiable. Returns (units, weights of a unit)."""
        return self.weight.movedim(self.axis, 0)[self.index].flatten(1)


def unit_weights(network: Network, group: Group) -> list[UnitWeights]:
    """Give the weights of a group's units: outputs of its producers, their BatchNorm, inputs of what reads them.

    The input side of a grouped convolution is that of one of its groups.
    """
    found = []
    for layer, side in dict.fromkeys((piece.layer, piece.side) for piece in group.slices):
        module = network.layer(layer)
        weight = getattr(module, "weight", None)  # a ChannelPad has none, nor has a BatchNorm without affine
        if isinstance(weight, Tensor):
            index = network.positions(group, layer, side).to(weight.device)
            if side == "in" and isinstance(module, nn.Conv2d) and module.groups > 1:
                index = torch.unique(index % weight.shape[1], dim=1)
            found.append(UnitWeights(layer, side, weight, 0 if side == "out" else 1, index))
    return found
