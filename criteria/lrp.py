"""LRP: the relevance of a unit for the true class (Yeom et al., Pattern Recognition 2021, "Pruning by explaining").

Relevance begins as 1 at the true class and goes back layer by layer by the rule of alpha 1 and beta 0:

    R_i = sum_j (x_i w_ij)^+ / (sum_k (x_k w_kj)^+) R_j.

A BatchNorm that directly follows a layer counts as part of its weights. Nonlinearities and other BatchNorms pass
relevance on, but a number that is zero has none. Max-pooling gives it to the largest number. Sums and averages divide
it in proportion to their terms.

All this is one backward pass. Let g = R / x, for the values x of a tensor. Sums, averages, max-pooling and ReLU turn g
behind them into g before them just as they do a gradient. Of the other layers, the values stay and the derivative is
replaced.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench import CellError, ModelScore, Network, Ranking

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
BENT = (nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardtanh, nn.Hardswish)
WITHOUT_RULE = (nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.LayerNorm, nn.ConvTranspose2d)
SQUASHED = (nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus)
Seen = dict[str, tuple[Tensor, Tensor]]  # by layer: values (of its BatchNorm), and the tensor that is passed on


def lrp(network: Network, batches: Sequence[tuple[Tensor, Tensor]], generator: torch.Generator) -> dict[str, Tensor]:
    """Relevance |R| of a unit's outputs, summed over positions, mean over pictures.

    Without residual sums R is never negative, so this is the plain sum. A branch of a residual sum that lowers the sum
    has negative relevance. The authors' code for ResNets takes absolute values there, too. It propagates through
    linear layers by another rule (epsilon); their code for VGG and AlexNet has one rule for all layers, as here.

    Biases receive nothing, so the relevance of all units of a layer adds up to about one for each picture. Nonlinear
    functions other than ReLU must be modules. A product of two feature maps has no rule here.

    The cost is that of one forward-backward pass whose layers compute three products in place of one.

    batches: pairs (pictures, labels). Returns (units,) by layer.
    """
    named = {n: m.weight for n, m in network.model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    totals = {name: weight.new_zeros(len(weight)).detach() for name, weight in named.items()}
    for pictures, labels in batches:
        seen: Seen = {}
        with torch.enable_grad(), propagating(network, list(named), seen):
            logits = network.model(pictures.detach().to(network.device, network.dtype).clone().requires_grad_())
        true = F.one_hot(labels.to(logits.device), logits.shape[1])
        start = _quotient(true.to(logits), logits)
        outputs = [passed for _, passed in seen.values()]
        slopes = torch.autograd.grad(logits, outputs, start, allow_unused=True, materialize_grads=True)
        for (name, (values, _)), slope in zip(seen.items(), slopes, strict=True):
            axis = 1 if isinstance(network.layer(name), nn.Conv2d) else -1
            totals[name] += (values * slope).abs().movedim(axis, 0).flatten(1).sum(dim=1)
    pictures_seen = sum(len(labels) for _, labels in batches)
    return {name: total / pictures_seen for name, total in totals.items()}


@contextmanager
def propagating(network: Network, layers: Sequence[str], seen: Seen) -> Iterator[None]:
    """Keep all values, and replace derivatives, so that a backward pass carries relevance over values."""
    owned = {network.table.norm[name]: name for name in layers if name in network.table.norm}
    with ExitStack() as stack:
        for name, module in network.model.named_modules():
            if isinstance(module, WITHOUT_RULE):
                raise CellError(f"layer '{name}' ({type(module).__name__}) has no rule that passes relevance on")
            if vars(module).get("inplace") is True:
                module.inplace = False
                stack.callback(setattr, module, "inplace", True)
            if name in layers:
                norm = network.layer(network.table.norm[name]) if name in network.table.norm else None
                stack.enter_context(module.register_forward_hook(partial(_divide, seen, name, norm=norm)))
            elif name in owned:
                stack.enter_context(module.register_forward_hook(_merged))
            elif isinstance(module, (*NORMS, *BENT, *SQUASHED)):
                stack.enter_context(module.register_forward_hook(_pass_on))
        yield


def _divide(seen: Seen, name: str, layer: nn.Module, inputs: Any, output: Tensor, *, norm: Any) -> Tensor:
    """Divide relevance among the inputs of a layer in proportion to (x_i w_ij)^+."""
    if name in seen:
        raise CellError(f"layer '{name}' runs more than once in a forward pass; its relevance would be mixed")
    weight, values = layer.get_parameter("weight").detach(), output.detach()
    if norm is not None:
        values = normalised(norm, values)
        if norm.weight is not None:  # its size cancels
            weight = weight * norm.weight.detach().sign().view(-1, *[1] * (weight.ndim - 1))
    positive = positive_part(layer, inputs[0].clone(), weight)
    passed = _with_value(output, positive * _quotient(values, positive.detach()))
    seen[name] = values, passed
    return passed.clone()  # in-place operations may follow


def positive_part(layer: nn.Module, inputs: Tensor, weight: Tensor) -> Tensor:
    """Sum (x_i w_ij)^+ over the inputs i of every output j. weight: in place of the layer's own.

    >>> layer = nn.Linear(3, 1)
    >>> positive_part(layer, torch.tensor([[1.0, -2.0, 3.0]]), torch.tensor([[4.0, -5.0, -6.0]])).tolist()
    [[14.0]]
    """
    signed = ((inputs.clamp(min=0), weight.clamp(min=0)), (inputs.clamp(max=0), weight.clamp(max=0)))
    if isinstance(layer, nn.Conv2d):
        return sum((layer._conv_forward(x, w, None) for x, w in signed), start=torch.zeros((), device=weight.device))
    return sum((F.linear(x, w) for x, w in signed), start=torch.zeros((), device=weight.device))


def normalised(norm: Any, values: Tensor) -> Tensor:
    """Apply a BatchNorm in eval mode without running its hooks."""
    weight, bias = (None if tensor is None else tensor.detach() for tensor in (norm.weight, norm.bias))
    own = norm.running_mean is None  # then the batch's statistics count
    return F.batch_norm(values, norm.running_mean, norm.running_var, weight, bias, own, 0.0, norm.eps)


def _merged(norm: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    """Pass R / x on unchanged: the layer before divides the relevance of what this BatchNorm gives."""
    return _with_value(output, inputs[0])


def _pass_on(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    """Pass relevance on unchanged: R / x becomes R / y."""
    given = inputs[0].clone()
    return _with_value(output, given * _quotient(output.detach(), given.detach()))


def _with_value(value: Tensor, derivative: Tensor) -> Tensor:
    """Give a tensor with the values of one and the derivative of another."""
    return value.detach() + (derivative - derivative.detach())


def _quotient(upper: Tensor, lower: Tensor) -> Tensor:
    """Divide; zero where the divisor is zero."""
    return torch.where(lower == 0, 0, upper / torch.where(lower == 0, 1, lower)).detach()


CRITERION = ModelScore(
    lrp,
    published=Ranking("global"),
    reference="Yeom et al. Pruning by explaining: A novel criterion for deep neural network pruning. Pattern "
    "Recognition 115, 2021",
)
