"""Kron-OBD: OBD of a whole unit with the Kronecker-factored Fisher matrix of its layer (Wang et al., ICML 2019).

K-FAC approximates a layer's Fisher matrix by S (x) A (Grosse & Martens, ICML 2016). Let a be the input patch of one of
T positions, with a one for the bias, and g the gradient of one sample's loss at that position's output:

    A = mean_n sum_t a_nt a_nt^T,    S = 1/T mean_n sum_t g_nt g_nt^T.

Removing unit i changes the loss by 1/2 S_ii theta_i^T A theta_i. Since theta_i^T a_nt is the unit's output y_nti,
theta_i^T A theta_i = mean_n sum_t y_nti^2, and no matrix has to be built. (The authors' code computes sum_jk theta_ij^2
A_jk in place of theta_i^T A theta_i.)
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench import CellError, ModelScore, Ranking

Outputs = dict[str, Tensor]
Labels = Literal["sampled", "true"]


def kron_obd(
    model: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    labels: Labels = "sampled",
) -> dict[str, Tensor]:
    """1/2 S_ii theta_i^T A theta_i; each factor is averaged over all samples before the factors are multiplied.

    Args:
        model: in eval mode, parameters trainable.
        batches: pairs (pictures, labels).
        generator: draws the labels.
        labels: ``sampled`` from the network's predictions, or ``true`` ones (the empirical Fisher matrix).

    Returns:
        {layer: (units,)} for every convolution and linear layer, loss.
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    factors = {name: layer.weight.new_zeros(2, len(layer.weight)) for name, layer in layers.items()}
    for pictures, true_labels in batches:
        outputs, logits = _forward(model, layers, pictures)
        target = _sampled_labels(logits, generator) if labels == "sampled" else true_labels.to(logits.device)
        loss = F.cross_entropy(logits, target, reduction="sum")
        gradients = torch.autograd.grad(loss, list(outputs.values()), allow_unused=True, materialize_grads=True)
        for (name, output), gradient in zip(outputs.items(), gradients, strict=True):
            axis = 1 if isinstance(layers[name], nn.Conv2d) else -1
            positions = output.numel() // (len(output) * output.shape[axis])
            factors[name] += torch.stack([_squares(output.detach(), axis), _squares(gradient, axis) / positions])
    samples = sum(len(true_labels) for _, true_labels in batches)
    return {name: 0.5 * total.div(samples).prod(dim=0) for name, total in factors.items()}


def _forward(model: nn.Module, layers: dict[str, nn.Conv2d | nn.Linear], pictures: Tensor) -> tuple[Outputs, Tensor]:
    outputs: Outputs = {}
    first = next(model.parameters())
    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.enter_context(layer.register_forward_hook(_store_output(outputs, name)))
        return outputs, model(pictures.to(first.device, first.dtype))


def _store_output(outputs: Outputs, name: str) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if name in outputs:
            raise CellError(f"layer '{name}' runs more than once in a forward pass; its evidence would be mixed")
        outputs[name] = output
        return output.clone()  # a copy, since in-place operations may follow

    return hook


def _sampled_labels(logits: Tensor, generator: torch.Generator) -> Tensor:
    probabilities = logits.detach().softmax(dim=1).cpu()
    return torch.multinomial(probabilities, 1, generator=generator).squeeze(1).to(logits.device)


def _squares(values: Tensor, axis: int) -> Tensor:
    """Sum squares over all axes but one."""
    return values.movedim(axis, 0).flatten(1).square().sum(dim=1)


CRITERION = ModelScore(
    kron_obd,
    scale="loss",
    published=Ranking("global"),
    reference="Wang, Grosse, Fidler, Zhang. EigenDamage. ICML 2019, Kron-OBD",
)
