"""Gram matrices, one per group, of what each unit adds to random elements of the next layers' outputs."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from prunebench import Network


def reader_grams(
    network: Network, batches: Sequence[tuple[Tensor, Tensor]], generator: torch.Generator, locations: int
) -> dict[str, Tensor]:
    """Sum x_ij x_ik over instances i. Returns (units, units) by group, in float64.

    x_ij is what unit j adds to instance i. Instances are random elements of the outputs of the layers that read the
    unit, `locations` for each picture and layer. Where several layers read a coupled group, one sum covers them all.
    """
    grams: dict[str, Tensor] = {}
    with torch.no_grad(), ExitStack() as hooks:
        for group in network.table.groups:
            units = network.units[group.name]
            grams[group.name] = torch.zeros(units, units, dtype=torch.float64, device=network.device)
            for name in dict.fromkeys(part.layer for part in group.slices if part.side == "in"):
                reader = network.layer(name)
                if isinstance(reader, nn.Conv2d | nn.Linear):
                    hook = _add_to(grams[group.name], network.positions(group, name, "in"), locations, generator)
                    hooks.enter_context(reader.register_forward_pre_hook(hook))
        for pictures, _ in batches:
            network.model(pictures.to(network.device, network.dtype))
    return grams


def contributions(layer: nn.Module, inputs: Tensor, locations: int, generator: torch.Generator) -> Tensor:
    """Compute what each input channel adds to random elements of a layer's output, (locations x batch, channels).

    The layer is linear in its input. So a channel adds its input times the element's gradient, summed over positions.
    """
    leaf = inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        output = layer.forward(leaf).flatten(1)
    added = []
    for _ in range(locations):
        elements = torch.randint(output.shape[1], (len(output), 1), generator=generator).to(output.device)
        (gradient,) = torch.autograd.grad(output, leaf, torch.zeros_like(output).scatter_(1, elements, 1.0), True)
        product = leaf.detach() * gradient
        channels = product if isinstance(layer, nn.Conv2d) else product.movedim(-1, 1)
        added.append(channels.reshape(*channels.shape[:2], -1).sum(dim=2))
    return torch.cat(added)


def _add_to(
    gram: Tensor, index: Tensor, locations: int, generator: torch.Generator
) -> Callable[[nn.Module, Any], None]:
    """Make a hook that adds sum_i x_ij x_ik to `gram`. index: the reader's input channels of each unit, (units, k)."""

    def hook(layer: nn.Module, inputs: Any) -> None:
        added = contributions(layer, inputs[0], locations, generator)
        per_unit = added[:, index.to(added.device)].sum(dim=2).to(gram.dtype)
        gram.add_(per_unit.T @ per_unit)

    return hook
