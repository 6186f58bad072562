"""Compute a layer's weight and bias gradients, summed or squared per sample, from its input and output gradient."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from prunebench.errors import CellError, kind_of

BUFFER = 2**17  # elements of per-sample gradients held at once: half a megabyte in float32 stays in a core's cache
LARGE = 2**26  # the same on an accelerator, where many small calls would be slow
FEW = 4  # up to so many output positions, products of position pairs are cheaper than one product per sample


def gradient(layer: nn.Module, inputs: Tensor, output_grad: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the gradients of a layer's weight and bias, summed over the batch.

    Args:
        layer: Conv2d (any stride, dilation, padding, groups) or Linear (on vectors or sequences).
        inputs: the layer's input, (batch, ...).
        output_grad: (batch, ...), shaped like the layer's output.

    Returns:
        (units, fan_in) and (units,); the bias gradient also for a layer without bias.

    >>> weight, bias = gradient(nn.Linear(2, 1), torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]))
    >>> weight.tolist(), bias.tolist()
    ([[3.0, 6.0]], [3.0])
    """
    if isinstance(layer, nn.Conv2d):
        padding: str | tuple[int, ...] = layer.padding
        if isinstance(padding, str) or layer.padding_mode != "zeros":
            inputs, padding = _padded(layer, inputs), (0, 0)
        shape, geometry = layer.weight.shape, (layer.stride, padding, layer.dilation, layer.groups)
        weight = conv2d_weight(inputs, shape, output_grad, *geometry)  # type: ignore[no-untyped-call]
        return weight.flatten(1), output_grad.sum(dim=(0, 2, 3))
    _check(layer)
    flat = output_grad.flatten(0, -2)
    return flat.T @ inputs.flatten(0, -2), flat.sum(dim=0)


def squares(layer: nn.Module, inputs: Tensor, output_grads: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the squared per-sample gradients of a layer's weight and bias over vectors and samples.

    Args:
        layer: Conv2d (any stride, dilation, padding, groups) or Linear (on vectors or sequences).
        inputs: the layer's input, (batch, ...).
        output_grads: the output gradient for each backpropagated vector, (vectors, batch, ...).

    Returns:
        (units, fan_in) and (units,); the bias sum also for a layer without bias.

    >>> layer = nn.Linear(2, 1)
    >>> weight, bias = squares(layer, torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([[[1.0], [2.0]]]))
    >>> weight.tolist(), bias.tolist()
    ([[37.0, 4.0]], [5.0])
    """
    grads = rows(layer, output_grads, 2)
    vectors, positions = len(grads), grads.shape[4]
    pairs = positions <= max(FEW, vectors)  # then pairs are about half as many as products per sample
    weight = _by_pairs(grads, columns(layer, inputs)) if pairs else _by_samples(layer, grads, inputs)
    return weight, grads.sum(dim=4).square().sum(dim=(0, 1)).flatten()


def columns(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Give the inputs that each output position of a layer reads: (batch, groups, fan_in, positions)."""
    if isinstance(layer, nn.Conv2d):
        windows = _padded(layer, inputs).contiguous()  # F.unfold is slower for few channels
        for axis, (size, step, apart) in enumerate(
            zip(layer.kernel_size, layer.stride, layer.dilation, strict=True), 2
        ):
            windows = windows.unfold(axis, apart * (size - 1) + 1, step)[..., ::apart]
        shape = len(inputs), layer.groups, -1, windows.shape[2] * windows.shape[3]
        return windows.permute(0, 1, 4, 5, 2, 3).reshape(shape)
    return _positions_last(inputs, 1).unsqueeze(1)


def rows(layer: nn.Module, outputs: Tensor, leading: int = 1) -> Tensor:
    """Reshape (leading..., the layer's output) to (leading..., groups, units of a convolution group, positions)."""
    if isinstance(layer, nn.Conv2d):
        flat = outputs.flatten(leading + 1)
        return flat.reshape(*flat.shape[:leading], layer.groups, -1, flat.shape[-1])
    _check(layer)
    return _positions_last(outputs, leading).unsqueeze(leading)


def _check(layer: nn.Module) -> None:
    if not isinstance(layer, nn.Linear):
        raise CellError(f"curvature of {kind_of(layer)} layer is not supported; Conv2d and Linear are")


def _positions_last(values: Tensor, leading: int) -> Tensor:
    """Reshape (leading..., positions..., features) to (leading..., features, all positions)."""
    return values.reshape(*values.shape[:leading], -1, values.shape[-1]).transpose(-1, -2)


def _padded(layer: nn.Conv2d, inputs: Tensor) -> Tensor:
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.pad(inputs, layer._reversed_padding_repeated_twice, mode=mode)


def _by_samples(layer: nn.Module, grads: Tensor, inputs: Tensor) -> Tensor:
    """Square per-sample gradients a few samples and columns at a time, so that they stay in the cache."""
    _, batch, groups, units, positions = grads.shape
    fan_in = layer.get_parameter("weight")[0].numel()
    room = _room(grads)
    step = max(1, 4 * room // (groups * fan_in * positions))
    width = max(1, room // (groups * units))
    total = grads.new_zeros(groups, units, fan_in)
    for start in range(0, batch, step):
        some = slice(start, start + step)
        patches = columns(layer, inputs[some]).transpose(2, 3)
        for left in range(0, fan_in, width):
            total[..., left : left + width] += _sum_of_squares(grads[:, some], patches[..., left : left + width])
    return total.flatten(0, 1)


def _sum_of_squares(grads: Tensor, patches: Tensor) -> Tensor:
    """Sum squared products over vectors and samples: (g, u, f) from (vectors, batch, g, u, p) and (batch, g, p, f)."""
    total = grads.new_zeros(*grads.shape[2:4], patches.shape[3])
    step = max(1, _room(grads) // total.numel())
    for vector in range(len(grads)):
        for start in range(0, len(patches), step):
            each = grads[vector, start : start + step] @ patches[start : start + step]
            if len(each) == 1:
                total.addcmul_(each[0], each[0])
            else:
                total += each.square_().sum(dim=0)
    return total


def _room(like: Tensor) -> int:
    return BUFFER if like.device.type == "cpu" else LARGE


def _by_pairs(grads: Tensor, inputs: Tensor) -> Tensor:
    """Sum squares by (sum_p g_p x_p)^2 = sum_{p,q} (g_p g_q) (x_p x_q), one product over samples and position pairs.

    Only the left factor depends on the vectors, so many vectors cost little more than one.
    """
    p, q = torch.triu_indices(grads.shape[4], grads.shape[4], device=grads.device)
    twice = torch.where(p == q, 1.0, 2.0).to(grads.dtype)
    gram = torch.einsum("vngup,vnguq->ngupq", grads, grads)
    left = (gram[..., p, q] * twice).permute(1, 2, 0, 3).flatten(2)
    right = (inputs[..., p] * inputs[..., q]).permute(1, 0, 3, 2).flatten(1, 2)
    total: Tensor = left @ right
    return total.clamp_min(0).flatten(0, 1)  # rounding may leave a zero slightly negative
