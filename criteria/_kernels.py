"""Group penalties on blocks: a block holds the spatial weights of one output and one input channel.

A feature-wise group is an input channel of a layer, so a unit of the layer before. A neuron-wise group is an output
channel, so a unit that the score ranks. A grouped convolution numbers its input channels within one convolution group.
"""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

Alignment = Literal["feature-wise", "neuron-wise"]
Form = Literal["plain", "square-rooted", "squared"]
Function = Callable[[Tensor], Tensor]


def over_group(blocks: Tensor, alignment: Alignment) -> Tensor:
    """Sum the blocks of each group. blocks: (units, inputs). Returns (inputs,), or (units,) if neuron-wise.

    >>> import torch
    >>> blocks = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    >>> over_group(blocks, "feature-wise").tolist(), over_group(blocks, "neuron-wise").tolist()
    ([5.0, 7.0, 9.0], [6.0, 15.0])
    """
    return blocks.sum(dim=0 if alignment == "feature-wise" else 1)


def grouped(blocks: Tensor, function: Function, form: Form, alignment: Alignment, eps: float) -> Tensor:
    """Sum a penalty over groups g with blocks b, in one of three forms (Mitsuno et al. 2020).

    plain: sum_g f(sum b); hierarchical square-rooted: sum_g (sum f(b))^(1/2); hierarchical squared: sum_g (sum f(b))^2.

    blocks: (units, inputs). eps: added inside the outer root. Returns a scalar.
    """
    if form == "plain":
        return function(over_group(blocks, alignment)).sum()
    sums = over_group(function(blocks), alignment)
    return (sums.square() if form == "squared" else (sums + eps).sqrt()).sum()
