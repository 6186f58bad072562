"""The norm of the inputs that each weight multiplies: evidence of all batches together."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.pruning.network import Network, weight_of
from prunebench.scoring.evidence import undisturbed
from prunebench.scoring.places import producers


def input_norms(network: Network, batches: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Return the l2 norm of the inputs that each weight multiplies, for every layer that writes units: (units, fan_in).

    Squares are summed over positions and averaged over samples. The root is taken after the last batch, so the norm
    does not depend on how samples are divided into batches. Rows are equal except in a convolution with groups. The
    network is left as it was.
    """
    totals = {layer: torch.zeros_like(weight_of(network, layer)).flatten(1) for layer in producers(network)}
    with undisturbed(network.model), torch.no_grad(), ExitStack() as hooks:
        for layer, total in totals.items():
            hooks.enter_context(network.layer(layer).register_forward_pre_hook(_add_to(total)))
        for pictures, _ in batches:
            network.model(pictures.to(network.device, network.dtype))
    samples = sum(len(labels) for _, labels in batches)
    return {layer: (total / samples).sqrt() for layer, total in totals.items()}


def _add_to(total: Tensor) -> Callable[[nn.Module, Any], None]:
    def hook(module: nn.Module, inputs: Any) -> None:
        total.add_(squared_inputs(module, inputs[0]))

    return hook


def squared_inputs(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Sum the squared inputs that each weight multiplies over samples and positions: (units, fan_in).

    The sum is computed as a gradient: of the layer's summed output on squared inputs, with respect to the weight.

    >>> squared_inputs(nn.Linear(2, 1), torch.tensor([[1.0, 2.0], [3.0, 0.0]])).tolist()
    [[10.0, 4.0]]
    """
    squares = inputs.detach().square().sum(dim=0, keepdim=True)
    with torch.enable_grad():
        weight = torch.zeros_like(layer.get_parameter("weight"), requires_grad=True)
        if isinstance(layer, nn.Conv2d):
            output = layer._conv_forward(squares, weight, None)
        else:
            output = F.linear(squares, weight)
        (gradient,) = torch.autograd.grad(output.sum(), weight)
    return gradient.flatten(1)
