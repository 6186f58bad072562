"""The factors of K-FAC: a layer's Fisher matrix is about S (x) A (Martens & Grosse 2015; Grosse & Martens 2016).

Let a be the input patch of one of T positions, with a one for the bias, and g the gradient of one sample's loss at
that position's output:

    A = mean_n sum_t a_nt a_nt^T,    S = 1/T mean_n sum_t g_nt g_nt^T.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench import CellError

Labels = Literal["sampled", "true"]
Damping = Annotated[float, Field(gt=0, le=1000)]
Layer = nn.Conv2d | nn.Linear


class Seen(NamedTuple):
    """What one layer gave for one batch, the gradient of each sample's own loss at it, and what the layer read."""

    output: Tensor
    gradient: Tensor
    inputs: Tensor

    def squares(self, layer: nn.Module) -> Tensor:
        """Sum the squared gradients of each unit over the batch, over T: its share of the diagonal of S. (units,)."""
        return self.gradient.movedim(axis_of(layer), 0).flatten(1).square().sum(dim=1) / self._positions(layer)

    def gram(self, layer: Layer) -> Tensor:
        """Sum g g^T over batch and positions, over T, in float64: (groups, units of a group, units of a group).

        Units of different groups of a convolution read different inputs. So S (x) A holds within each group alone.
        """
        rows = self.gradient.movedim(axis_of(layer), 0).double().reshape(groups_of(layer), units_of(layer), -1)
        return rows @ rows.mT / self._positions(layer)

    def _positions(self, layer: nn.Module) -> int:
        return self.output.numel() // (len(self.output) * self.output.shape[axis_of(layer)])


def axis_of(layer: nn.Module) -> int:
    """Return the axis of a layer's units in its output."""
    return 1 if isinstance(layer, nn.Conv2d) else -1


def groups_of(layer: Layer) -> int:
    """Count the groups of a convolution; a linear layer is one."""
    return layer.groups if isinstance(layer, nn.Conv2d) else 1


def units_of(layer: Layer) -> int:
    """Count the units of one group."""
    return len(layer.weight) // groups_of(layer)


def empty_s(layer: Layer) -> Tensor:
    """Make zeros for `Seen.gram`."""
    shape = groups_of(layer), units_of(layer), units_of(layer)
    return torch.zeros(shape, dtype=torch.float64, device=layer.weight.device)


def weight_layers(model: nn.Module) -> dict[str, Layer]:
    """Name every convolution and linear layer."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}


def show_layers(
    model: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    labels: Labels,
    take: Callable[[str, Layer, Seen], None],
) -> None:
    """Run forward and backward batch by batch. What every layer of `weight_layers` saw is given to `take`.

    labels: ``sampled`` from the network's predictions, or ``true`` ones (the empirical Fisher matrix). Raises
    `CellError` for a layer that runs more than once.
    """
    layers = weight_layers(model)
    for pictures, true_labels in batches:
        seen, logits = _forward(model, pictures)
        target = _sampled_labels(logits, generator) if labels == "sampled" else true_labels.to(logits.device)
        loss = F.cross_entropy(logits, target, reduction="sum")
        outputs = [output for _, output in seen.values()]
        gradients = torch.autograd.grad(loss, outputs, allow_unused=True, materialize_grads=True)
        for (name, (read, output)), gradient in zip(seen.items(), gradients, strict=True):
            take(name, layers[name], Seen(output.detach(), gradient, read.detach()))
        del seen, outputs, gradients, output, gradient, read  # before the next batch runs


def inverse_diagonal(matrix: Tensor, damping: float) -> Tensor:
    """Return the diagonal of (M + d diag M)^-1, with infinity where the diagonal of M is zero. matrix: (..., n, n).

    Each element of the diagonal grows by its own share, so that the scale of no unit matters.

    >>> inverse_diagonal(torch.diag(torch.tensor([1.0, 3.0])), 1.0).tolist()  # 1 / (1 + 1), 1 / (3 + 3)
    [0.5, 0.16...]
    >>> inverse_diagonal(torch.zeros(2, 2), 1.0).tolist()
    [inf, inf]
    """
    own = matrix.diagonal(dim1=-2, dim2=-1)
    damped = matrix + torch.diag_embed(torch.where(own == 0, 1, damping * own))
    return torch.where(own == 0, torch.inf, torch.linalg.inv(damped).diagonal(dim1=-2, dim2=-1))


def _forward(model: nn.Module, pictures: Tensor) -> tuple[dict[str, tuple[Tensor, Tensor]], Tensor]:
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    first = next(model.parameters())
    with ExitStack() as hooks:
        for name, layer in weight_layers(model).items():
            hooks.enter_context(layer.register_forward_hook(_store(seen, name)))
        return seen, model(pictures.to(first.device, first.dtype))


def _store(seen: dict[str, tuple[Tensor, Tensor]], name: str) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if name in seen:
            raise CellError(f"layer '{name}' runs more than once in a forward pass; its evidence would be mixed")
        seen[name] = inputs[0], output
        return output.clone()  # a copy, since in-place operations may follow

    return hook


def _sampled_labels(logits: Tensor, generator: torch.Generator) -> Tensor:
    probabilities = logits.detach().softmax(dim=1).cpu()
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(1).to(logits.device)
