"""Propagate second derivatives back layer by layer (LeCun, Denker & Solla, Optimal Brain Damage, NIPS 1989).

Let h be the Hessian's diagonal by the output of an operation with Jacobian J. The diagonal by its input is
h_in = (J * J)^T h_out; off-diagonal terms are left out (eq. 6). A weight shared by many positions sums over them,
h_w = sum x^2 h_out (eq. 3-5). The recursion starts at the logits with p (1 - p), the diagonal for cross-entropy; the
paper starts with the squared error (eq. 7). Terms with the second derivative f'' of a nonlinearity are left out. The
paper names this the Levenberg-Marquardt approximation. So h is never negative. For ReLU, f'' is zero anyway.

The forward pass is unchanged; the backward pass uses squared Jacobians. Costs one forward-backward pass.
"""

from collections.abc import Callable, Iterable, Sequence
from math import ceil
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_input
from torch.overrides import TorchFunctionMode

from prunebench.curvature.layer_gradients import gradient
from prunebench.curvature.taps import Diagonals, Sums, backward, tapped
from prunebench.errors import CellError
from prunebench.pruning.network import Network

Operation = Callable[..., Any]

# Operations whose Jacobian has only zeros and ones, so that it equals its square.
SELECTING = (
    *("relu", "max_pool2d", "dropout", "dropout2d", "pad", "add", "cat", "stack", "clone", "contiguous"),
    *("flatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "chunk", "split", "getitem"),
    *("index_select", "select", "narrow", "expand", "sum", "to", "movedim", "unflatten", "unbind"),
)
ELEMENTWISE = (
    *("relu6", "hardtanh", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish", "hardsigmoid"),
    *("sigmoid", "tanh", "softplus", "neg", "square", "sqrt", "exp", "clamp"),
)


def lecun(network: Network, layers: Sequence[str], pictures: Tensor, labels: Tensor) -> Diagonals:
    """Give the diagonals, averaged over samples. Raises `CellError` for an operation without a rule."""
    sums = Sums(network, layers)

    def consume(name: str, inputs: Tensor, second: Tensor) -> None:
        sums.add(name, gradient(network.layer(name), inputs.square(), second))

    with tapped(network, layers, consume) as anchor:
        with SquaredJacobians():
            logits = network.model(pictures)
        p = logits.detach().softmax(dim=1)
        backward(logits, anchor, p * (1 - p))
    return sums.mean(len(labels))


class SquaredJacobians(TorchFunctionMode):
    """Inside this mode, operations propagate second derivatives in place of gradients."""

    def __torch_function__(self, func: Operation, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operation by its rule, if an argument requires a gradient."""
        kwargs = kwargs or {}
        if not _differentiable([*args, *kwargs.values()]):
            return func(*args, **kwargs)
        rule = RULES.get(_name(func))
        if rule is not None:
            return rule(func, *args, **kwargs)
        result = func(*args, **kwargs)
        if _differentiable([result]):
            raise CellError(f"curvature=lecun has no rule for the operation '{_name(func)}'; choose another curvature")
        return result


def _differentiable(values: Iterable[Any]) -> list[Tensor]:
    """Collect the tensors that require a gradient, also from lists and tuples."""
    tensors: list[Tensor] = []
    for value in values:
        if isinstance(value, list | tuple):
            tensors += _differentiable(value)
        elif isinstance(value, Tensor) and value.requires_grad:
            tensors.append(value)
    return tensors


def _name(func: Operation) -> str:
    return func.__name__.strip("_")


def _selecting(func: Operation, *args: Any, **options: Any) -> Any:
    if options.get("alpha", 1) != 1:
        raise CellError(f"curvature=lecun has no rule for '{_name(func)}' with alpha; choose another curvature")
    return func(*args, **options)


def _times(result: Tensor, factor: Tensor | float) -> Tensor:
    """Multiply the second derivative by a factor; the operation's own backward pass multiplies it once more."""
    result.register_hook(lambda second: second * factor)  # type: ignore[no-untyped-call]
    return result


def _elementwise(func: Operation, inputs: Tensor, *args: Any, **options: Any) -> Tensor:
    with torch.enable_grad():
        probe = inputs.detach().requires_grad_(True)
        outputs = func(probe.clone(), *args, **options)
        (slope,) = torch.autograd.grad(outputs, probe, torch.ones_like(outputs))
    return _times(func(inputs, *args, **options), slope)


def _batch_norm(
    func: Operation,
    inputs: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training or variance is None:
        raise CellError("curvature=lecun has no rule for a BatchNorm with batch statistics; choose another curvature")
    slope = (variance + eps).rsqrt() * (1 if weight is None else weight)
    slope = slope.view(-1, *[1] * (inputs.ndim - 2))
    return _times(func(inputs, mean, variance, weight, bias, training, momentum, eps), slope)


def _mean(func: Operation, inputs: Tensor, *args: Any, **options: Any) -> Tensor:
    result = func(inputs, *args, **options)
    return _times(result, result.numel() / inputs.numel())


def _avg_pool2d(func: Operation, inputs: Tensor, *args: Any, **options: Any) -> Tensor:
    ones = torch.ones_like(inputs[:1, :1]).detach()
    names = ("kernel_size", "stride", "padding", "ceil_mode")
    geometry = dict(zip(names, args, strict=False)) | {k: v for k, v in options.items() if k in names}
    read = F.avg_pool2d(ones, **geometry, divisor_override=1)  # number of inputs that each output reads
    return _times(func(inputs, *args, **options), func(ones, *args, **options) / read)


def _adaptive_avg_pool2d(func: Operation, inputs: Tensor, *args: Any, **options: Any) -> Tensor:
    result = func(inputs, *args, **options)
    height, width = (
        torch.tensor([ceil((o + 1) * before / after) - o * before // after for o in range(after)])
        for before, after in zip(inputs.shape[-2:], result.shape[-2:], strict=True)
    )
    return _times(result, 1 / (height[:, None] * width).to(result))


class _Squared(torch.autograd.Function):
    """Run a forward function with a given backward function."""

    @staticmethod
    def forward(ctx: Any, run: Operation, back: Operation, *inputs: Tensor) -> Tensor:
        ctx.back = back
        result: Tensor = run(*inputs)
        return result

    @staticmethod
    def backward(ctx: Any, second: Tensor) -> Any:
        return None, None, *ctx.back(second)


def _conv2d(
    func: Operation,
    inputs: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    if isinstance(padding, str):
        spans = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, weight.shape[2:], strict=True)]
        inputs = F.pad(inputs, [side for span in reversed(spans) for side in (span // 2, span - span // 2)])
        padding = 0
    shape, rest = inputs.shape, (stride, padding, dilation, groups)

    def back(second: Tensor) -> tuple[Tensor]:
        passed: Tensor = conv2d_input(shape, weight.square(), second, *rest)  # type: ignore[no-untyped-call]
        return (passed,)

    squared: Tensor = _Squared.apply(lambda x: func(x, weight, bias, *rest), back, inputs)
    return squared


def _linear(func: Operation, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    run, back = lambda x: func(x, weight, bias), lambda second: (second @ weight.square(),)
    squared: Tensor = _Squared.apply(run, back, inputs)
    return squared


def _multiply(func: Operation, one: Any, other: Any) -> Tensor:
    if not (isinstance(one, Tensor) and one.requires_grad):
        return _times(func(one, other), one)
    if not (isinstance(other, Tensor) and other.requires_grad):
        return _times(func(one, other), other)
    a, b = one.detach().clone(), other.detach().clone()

    def back(second: Tensor) -> tuple[Tensor, Tensor]:
        return (second * b.square()).sum_to_size(a.shape), (second * a.square()).sum_to_size(b.shape)

    squared: Tensor = _Squared.apply(torch.mul, back, one, other)
    return squared


def _subtract(func: Operation, one: Any, other: Any) -> Tensor:
    if _name(func) == "rsub":
        one, other = other, one
    if isinstance(other, Tensor) and other.requires_grad:
        other = _elementwise(torch.neg, other)
        return torch.add(one, other) if isinstance(one, Tensor) else torch.add(other, one)
    return torch.sub(one, other)


def _divide(func: Operation, one: Any, other: Any) -> Tensor:
    if isinstance(other, Tensor) and other.requires_grad:
        raise CellError("curvature=lecun has no rule for division by a computed tensor; choose another curvature")
    return _times(func(one, other), 1 / other)


RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(SELECTING, _selecting),
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    **dict.fromkeys(("mul", "rmul"), _multiply),
    **dict.fromkeys(("sub", "rsub"), _subtract),
    **dict.fromkeys(("div", "truediv"), _divide),
    "batch_norm": _batch_norm,
    "mean": _mean,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "conv2d": _conv2d,
    "linear": _linear,
}
