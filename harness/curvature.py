"""Diagonals of the loss's curvature from per-sample gradients: Gauss-Newton, sampled or exact, and empirical Fisher.

For cross-entropy the Gauss-Newton matrix of one sample is J^T (diag(p) - p p^T) J, with J the Jacobian of the logits
and p = softmax(logits); it equals the Fisher information E_{y ~ p}[g_y g_y^T], with g_y the gradient for label y. Its
diagonal is a mean of *squared per-sample* gradients. The square of the batch's mean gradient is something else.

- ``sampled``: one label drawn from p for each sample; unbiased.
- ``exact``: one backward pass per class with the vector sqrt(p_c) (p - e_c).
- ``empirical``: the true labels; known as the empirical Fisher, not an estimate of the Gauss-Newton matrix.

Sources: Schraudolph, Neural Computation 2002; Martens, JMLR 2020; Kunstner, Balles & Hennig, NeurIPS 2019.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.errors import CellError

Columns = Callable[[slice], Tensor]
BUFFER = 2**17  # elements of per-sample gradients held at once: half a megabyte in float32 stays in a core's cache
FEW = 4  # output positions up to which products of position pairs are cheaper than one product per sample


def cotangents(logits: Tensor, labels: Tensor, kind: str, generator: torch.Generator) -> Iterator[Tensor]:
    """Give the vectors (batch, classes) whose backpropagated squares add up to the diagonal, sample by sample.

    >>> logits = torch.zeros(1, 2)
    >>> [v.tolist() for v in cotangents(logits, torch.tensor([0]), "empirical", torch.Generator())]
    [[[-0.5, 0.5]]]
    """
    p = logits.detach().softmax(dim=1)
    classes = p.shape[1]
    if kind == "exact":
        for c in range(classes):
            yield p[:, c : c + 1].sqrt() * (p - F.one_hot(torch.full_like(labels, c), classes))
        return
    if kind == "sampled":
        drawn = torch.multinomial(p.cpu(), 1, generator=generator).squeeze(1)
        labels = drawn.to(labels.device)
    yield p - F.one_hot(labels, classes)


def squares(layer: nn.Module, inputs: Tensor, output_grad: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over samples of the squared per-sample gradients of a layer's weight and bias.

    Args:
        layer: Conv2d (any stride, dilation, padding, groups) or Linear (on vectors or sequences).
        inputs: what the layer was given, (batch, ...).
        output_grad: gradient of each sample's own loss with respect to the layer's output, (batch, ...).

    Returns:
        (units, fan_in) and (units,); the second also for a layer without bias.

    >>> layer = nn.Linear(2, 1)
    >>> weight, bias = squares(layer, torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([[1.0], [2.0]]))
    >>> weight.tolist(), bias.tolist()
    ([[37.0, 4.0]], [5.0])
    """
    if isinstance(layer, nn.Conv2d):
        grad, groups, columns = output_grad.flatten(2), layer.groups, _patches(layer, inputs)
    elif isinstance(layer, nn.Linear):
        grad, groups, columns = _positions_last(output_grad), 1, _positions_last(inputs).__getitem__
    else:
        raise CellError(f"curvature of a {type(layer).__name__} layer is not supported, only of Conv2d and Linear")
    rows = _split(grad, groups)  # batch, groups, units of the group, positions
    weight = _few_positions(rows, columns) if rows.shape[3] <= FEW else _sample_by_sample(rows, columns)
    return weight, grad.sum(dim=2).square().sum(dim=0)


def _positions_last(values: Tensor) -> Tensor:
    """(batch, ..., features) to (batch, features, positions)."""
    return values.reshape(values.shape[0], -1, values.shape[-1]).transpose(1, 2)


def _split(values: Tensor, groups: int) -> Tensor:
    """(batch, channels, positions) to (batch, groups, channels of the group, positions)."""
    return values.reshape(values.shape[0], groups, -1, values.shape[2])


def _patches(layer: nn.Conv2d, inputs: Tensor) -> Columns:
    """Give the input patches of some samples as (samples, groups x fan_in, positions)."""
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(inputs, layer._reversed_padding_repeated_twice, mode=mode)
    return lambda some: F.unfold(padded[some], layer.kernel_size, layer.dilation, stride=layer.stride)


def _sample_by_sample(rows: Tensor, columns: Columns) -> Tensor:
    """Square per-sample gradients a few at a time, so that they never leave the cache."""
    batch, groups, units, _ = rows.shape
    fan_in = columns(slice(0, 1)).shape[1] // groups
    step = max(1, BUFFER // (groups * units * fan_in))
    total = rows.new_zeros(groups, units, fan_in)
    for start in range(0, batch, step):
        some = slice(start, start + step)
        grads = rows[some] @ _split(columns(some), groups).transpose(2, 3)
        total += grads.square_().sum(dim=0)
    return total.flatten(0, 1)


def _few_positions(rows: Tensor, columns: Columns) -> Tensor:
    """Use (sum_p g_p x_p)^2 = sum_{p,q} (g_p g_q) (x_p x_q): one matrix product over samples and pairs of positions."""
    groups, positions = rows.shape[1], rows.shape[3]
    inputs = _split(columns(slice(None)), groups)
    p, q = torch.triu_indices(positions, positions, device=rows.device)
    twice = torch.where(p == q, 1.0, 2.0).to(rows.dtype)
    left = (rows[..., p] * rows[..., q] * twice).permute(1, 2, 0, 3).flatten(2)
    right = (inputs[..., p] * inputs[..., q]).permute(1, 0, 3, 2).flatten(1, 2)
    total: Tensor = left @ right
    return total.clamp_min(0).flatten(0, 1)  # rounding may leave a zero slightly negative
