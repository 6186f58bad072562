"""The diagonal of the Hessian of the mean loss: exact, or estimated with random probes.

Unlike the Gauss-Newton diagonal, it can be negative where a nonlinearity is curved. On networks of ReLU and max-pooling
the two diagonals are equal.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.curvature.layer_gradients import columns, rows
from prunebench.curvature.taps import Diagonals, Pair
from prunebench.errors import CellError
from prunebench.pruning.network import Network

CHUNK = 16  # Hessian-vector products computed at once; memory grows with this number


def hutchinson(
    network: Network, layers: Sequence[str], batch: tuple[Tensor, Tensor], generator: torch.Generator, *, probes: int
) -> Diagonals:
    """Average z * (H z) over random signs z (Bekas, Kokiopoulou & Saad, 2007): unbiased, but noisy.

    Costs one forward-backward pass, and about two more for each probe.
    """
    pictures, labels = batch
    parameters = {layer: _unfrozen(network.layer(layer)) for layer in layers}
    flat = [tensor for tensors in parameters.values() for tensor in tensors]
    first = _derivative([F.cross_entropy(network.model(pictures), labels)], flat, create_graph=True)
    totals = [torch.zeros_like(tensor) for tensor in flat]
    for _ in range(probes):
        signs = [(2 * torch.randint(0, 2, t.shape, generator=generator) - 1).to(t) for t in flat]
        for total, z, product in zip(totals, signs, _derivative(first, flat, signs), strict=True):
            total.addcmul_(z, product, value=1 / probes)
    remaining = iter(totals)
    return {layer: _pair([next(remaining) for _ in tensors]) for layer, tensors in parameters.items()}


def hessian(network: Network, layers: Sequence[str], pictures: Tensor, labels: Tensor) -> Diagonals:
    """Compute exact second derivatives from Hessian-vector products, thousands even for LeNet-5.

    The loss depends on a weight only through its layer's output z, which is linear in the weight. So
    h_uf = sum_npq x_nfp x_nfq H_nupq with H_nupq = d^2 L / dz_nup dz_nuq. Samples do not mix, so one product gives a
    row of H for all samples. A layer needs one product per output of a sample (units x positions) or one per parameter,
    whichever are fewer.
    """
    result: Diagonals = {}
    for layer in layers:
        module = network.layer(layer)
        parameters = _unfrozen(module)
        with _output_of(module) as kept:
            loss = F.cross_entropy(network.model(pictures), labels)
        if len(kept) != 2:
            raise CellError(f"layer '{layer}' runs {len(kept) // 2} times in a forward pass; it must run exactly once")
        inputs, output = kept
        if output[0].numel() < sum(tensor.numel() for tensor in parameters):
            result[layer] = _by_outputs(module, loss, inputs, output)
        else:
            result[layer] = _pair([_by_parameter(loss, tensor) for tensor in parameters])
        for tensor in parameters:
            tensor.requires_grad_(False)
    return result


def _unfrozen(module: nn.Module) -> list[Tensor]:
    """Give a layer's weight and bias, if any, and make them require a gradient."""
    return [tensor.requires_grad_(True) for tensor in (module.weight, module.bias) if isinstance(tensor, Tensor)]


def _pair(diagonals: Sequence[Tensor]) -> Pair:
    """Shape the diagonals of weight and bias as a pair; a layer without bias has zeros."""
    weight, *bias = diagonals
    return weight.flatten(1), bias[0] if bias else weight.new_zeros(len(weight))


def _derivative(
    values: Sequence[Tensor], tensors: Sequence[Tensor], vectors: Sequence[Tensor] | None = None, **options: bool
) -> tuple[Tensor, ...]:
    """Differentiate the values by the tensors. The graph is kept; tensors without influence have a zero gradient."""
    use = [number for number, value in enumerate(values) if value.requires_grad]
    if not use:
        return tuple(torch.zeros_like(tensor) for tensor in tensors)
    given = None if vectors is None else [vectors[number] for number in use]
    usual = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
    return torch.autograd.grad([values[number] for number in use], tensors, given, **(usual | options))


def _by_parameter(loss: Tensor, parameter: Tensor) -> Tensor:
    first = _derivative([loss], [parameter], create_graph=True)
    diagonal = torch.zeros_like(parameter).flatten()
    for some in torch.split(torch.arange(parameter.numel(), device=parameter.device), CHUNK):
        ones = F.one_hot(some, parameter.numel()).to(parameter.dtype).view(-1, *parameter.shape)
        (products,) = _derivative(first, [parameter], [ones], is_grads_batched=True)
        diagonal[some] = products.flatten(1).gather(1, some[:, None]).squeeze(1)
    return diagonal.view_as(parameter)


def _by_outputs(layer: nn.Module, loss: Tensor, inputs: Tensor, output: Tensor) -> Pair:
    """Compute second derivatives by weight and bias from second derivatives by the layer's output."""
    x, size = columns(layer, inputs), output[0].numel()
    places = rows(layer, torch.arange(size, device=output.device).view(1, *output.shape[1:]))[0]
    first = _derivative([loss], [output], create_graph=True)
    weight = x.new_zeros(*places.shape[:2], x.shape[2])
    bias = x.new_zeros(places.shape[:2])
    for some in torch.split(torch.arange(size, device=output.device), CHUNK):
        group, unit, position = torch.unravel_index(some, places.shape)
        ones = F.one_hot(places[group, unit, position], size).to(output.dtype).view(-1, 1, *output.shape[1:])
        (products,) = _derivative(first, [output], [ones.expand(-1, *output.shape)], is_grads_batched=True)
        second = rows(layer, products, 2)[torch.arange(len(some)), :, group, unit]  # products, batch, positions
        read = x[:, group]
        terms = torch.einsum(
            "knq,nkfq,nkf->kf", second, read, read[:, torch.arange(len(some)), :, position].movedim(0, 1)
        )
        weight.index_put_((group, unit), terms, accumulate=True)
        bias.index_put_((group, unit), second.sum(dim=(1, 2)), accumulate=True)
    return weight.flatten(0, 1), bias.flatten() if isinstance(layer.bias, Tensor) else torch.zeros_like(bias.flatten())


@contextmanager
def _output_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Record a layer's input and output in a forward pass. Later layers read a copy, and cannot change the output."""
    kept: list[Tensor] = []

    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        kept.extend((inputs[0].detach(), output))
        return output.clone()

    with module.register_forward_hook(hook):
        yield kept
