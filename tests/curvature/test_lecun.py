"""LeCun's recursion against one written out by hand, and each operation against its squared Jacobian."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import jacobian
from torch.nn import functional as F

from prunebench.curvature.kinds import Curvature
from prunebench.curvature.lecun import SquaredJacobians
from prunebench.errors import CellError
from prunebench.pruning.network import Network
from prunebench.scoring.evidence import gather
from prunebench.testing import toys

NAMES = frozenset({"curvature", "bias_curvature"})


def curvature(network: Network, kind: str = "lecun") -> dict[str, dict[str, Tensor]]:
    return gather(network, NAMES, toys.batches()[0], torch.Generator().manual_seed(0), Curvature(kind))


def shared(inputs: Tensor, second: Tensor, size: int, stride: int, padding: int) -> Tensor:
    """Sum of x^2 h over samples and positions that share a weight, by loops over the kernel: (units, fan_in)."""
    inputs = F.pad(inputs, (padding,) * 4)
    height, width = second.shape[2:]
    found = second.new_zeros(second.shape[1], inputs.shape[1], size, size)
    for i in range(size):
        for j in range(size):
            read = inputs[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            found[:, :, i, j] = torch.einsum("nuhw,nfhw->uf", second, read.square())
    return found.flatten(1) / len(inputs)


def test_a_chain_by_hand() -> None:
    network = toys.chain()
    found = curvature(network)
    model = network.model.eval()
    assert isinstance(model, nn.Sequential)
    values = [toys.batches()[0][0]]
    with torch.no_grad():
        for layer in model:
            values.append(layer(values[-1].clone()).clone())  # the ReLU works in place
    p = values[-1].softmax(1)
    h = p * (1 - p)
    h = (h @ model[9].weight.square()) * (values[7] > 0)  # by the output of layer 6
    torch.testing.assert_close(found["6"]["curvature"], h.T @ values[6].square() / len(h), rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(found["6"]["bias_curvature"], h.mean(0), rtol=1e-9, atol=1e-15)
    h = (h @ model[6].weight.square()).view_as(values[5])
    norm = model[3]
    h = h * (values[4] > 0) * (norm.weight.square() / (norm.running_var + norm.eps))[:, None, None]
    torch.testing.assert_close(found["2"]["curvature"], shared(values[2], h, 2, 1, 0), rtol=1e-9, atol=1e-15)
    h = F.conv_transpose2d(h, model[2].weight.square()) * (values[2] > 0)
    torch.testing.assert_close(found["0"]["curvature"], shared(values[0], h, 3, 2, 1), rtol=1e-9, atol=1e-15)


X = torch.randn(1, 4, 5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
W = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
NORM = (X[0, :, 0, 0], X[0, :, 1, 1].exp(), X[0, :, 2, 2], X[0, :, 3, 3])
OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "conv2d": lambda x: F.conv2d(x, W, NORM[0], stride=2, padding=1, groups=2),
    "conv2d same": lambda x: F.conv2d(x, W, None, (1, 1), "same", (2, 2), 2),
    "linear": lambda x: F.linear(x, W[0, :, 0].repeat(1, 2)[:, :5]),
    "batch_norm": lambda x: F.batch_norm(x, *NORM),
    "relu in place": lambda x: F.relu(x.clone(), inplace=True),
    "silu": nn.SiLU(inplace=False),
    "silu in place": lambda x: nn.SiLU(inplace=True)(x.clone()),
    "hardswish": nn.Hardswish(),
    "tanh": torch.tanh,
    "leaky_relu": nn.LeakyReLU(0.3),
    "max_pool2d": nn.MaxPool2d(2),
    "avg_pool2d": nn.AvgPool2d(3, 2, 1),
    "avg_pool2d inside": nn.AvgPool2d(3, 2, 1, count_include_pad=False, ceil_mode=True),
    "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d((3, 2)),
    "mean": lambda x: x.mean((2, 3)),
    "flatten": lambda x: torch.flatten(x, 1)[:, 3:7],
    "cat": lambda x: torch.cat([x[:, :1], x[:, 2:]], dim=1),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1)),
    "add": lambda x: x[:, :2] + x[:, 2:],
    "subtract": lambda x: x[:, :2] - x[:, 2:],
    "from one": lambda x: 1 - x,
    "times constant": lambda x: 3 * x * X / 2,
    "product": lambda x: x[:, :2] * x[:, 2:].mean((2, 3), keepdim=True),
    "dropout": nn.Dropout().eval(),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_passes_its_squared_jacobian_back(name: str) -> None:
    run = OPERATIONS[name]
    x = X.clone().requires_grad_()
    with SquaredJacobians():
        result = run(x)
    assert torch.equal(result, run(X))
    h = torch.rand(result.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    (found,) = torch.autograd.grad(result, x, h)
    square = jacobian(run, X).square()  # type: ignore[no-untyped-call]
    if name == "product":  # two operations: what is left out are the squares of their sums
        gates, half = X[:, 2:].mean((2, 3), keepdim=True), h * X[:, :2].square()
        expected = torch.cat([h * gates.square(), half.sum((2, 3), keepdim=True).expand_as(half) / 25**2], dim=1)
    else:
        expected = torch.tensordot(h, square, h.ndim)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("toy", toys.TOYS)
def test_it_is_never_negative_and_runs_everywhere(toy: str) -> None:
    for values in curvature(toys.TOYS[toy]()).values():
        assert all((value >= 0).all() and value.sum() > 0 for value in values.values())


def test_one_layer_is_the_exact_hessian() -> None:
    network = toys.chain()
    model = network.model
    assert isinstance(model, nn.Sequential)
    model[9] = nn.Identity()  # now layer 6 gives the logits
    model[6] = nn.Linear(16, 3).double()
    model[7] = nn.Identity()
    for name, value in curvature(network)["6"].items():
        torch.testing.assert_close(value, curvature(network, "exact")["6"][name], rtol=1e-10, atol=1e-14)


def test_an_operation_without_a_rule_is_named() -> None:
    network = toys.chain()
    network.model.append(nn.Softmax(dim=1))  # type: ignore[operator]
    with pytest.raises(CellError, match="curvature=lecun has no rule for the operation 'softmax'"):
        curvature(network)
