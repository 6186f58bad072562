"""What a layer reads at each position of its output, and sums of products of it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ROOM = 2**24  # numbers of patches that are laid out at once


def patches_of(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Lay out what a layer reads at each position of its output: (batch, groups x fan_in, positions)."""
    if not isinstance(layer, nn.Conv2d):
        return inputs.reshape(len(inputs), -1, inputs.shape[-1]).mT
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(inputs, layer._reversed_padding_repeated_twice, mode=mode)
    return F.unfold(padded, layer.kernel_size, dilation=layer.dilation, stride=layer.stride)


def empty_gram(layer: nn.Module, *, bias: bool = False) -> Tensor:
    """Make zeros (groups of the convolution, fan_in, fan_in) in float64. bias: one row and column more for a bias.

    >>> empty_gram(nn.Conv2d(4, 2, 3, groups=2)).shape, empty_gram(nn.Linear(3, 2), bias=True).shape
    (torch.Size([2, 18, 18]), torch.Size([1, 4, 4]))
    """
    weight = layer.get_parameter("weight")
    size = weight[0].numel() + (bias and layer.bias is not None)
    return torch.zeros(getattr(layer, "groups", 1), size, size, dtype=torch.float64, device=weight.device)


def add_to(gram: Tensor, layer: nn.Module, inputs: Tensor) -> None:
    """Add X X^T of what a layer reads at all its positions; X has a row of ones where the gram is for a bias, too."""
    fan_in = layer.get_parameter("weight")[0].numel()
    channels = inputs.shape[1 if isinstance(layer, nn.Conv2d) else -1]
    each = gram.shape[0] * gram.shape[1] * inputs[0].numel() // channels
    for some in torch.split(inputs, max(1, ROOM // each)):
        patches = patches_of(layer, some).double()  # (batch, groups x fan_in, positions)
        rows = patches.movedim(1, 0).reshape(len(gram), fan_in, -1)
        if gram.shape[1] > fan_in:
            rows = torch.cat([rows, rows.new_ones(len(rows), 1, rows.shape[2])], dim=1)
        gram.baddbmm_(rows, rows.mT)
