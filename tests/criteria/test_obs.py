"""C-OBS and Kron-OBS against the Fisher matrix of a whole layer, written out and inverted."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.criteria._kfac import inverse_diagonal
from prunebench.criteria.c_obs import CRITERION as C_OBS, c_obs
from prunebench.criteria.kron_obd import kron_obd
from prunebench.criteria.kron_obs import CRITERION as KRON_OBS, kron_obs
from prunebench.errors import UserError
from prunebench.pruning.network import Network
from prunebench.scoring.score import score
from prunebench.testing import toys

Pairs = list[tuple[Tensor, Tensor]]
DAMPING = 0.03
LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "strided, padded, biased": (nn.Conv2d(2, 4, 3, stride=2, padding=1), (2, 5, 5)),
    "dilated, without bias": (nn.Conv2d(2, 3, 2, dilation=2, stride=(1, 2), padding=(0, 1), bias=False), (2, 6, 6)),
    "grouped": (nn.Conv2d(4, 6, 2, groups=2, padding=1), (4, 3, 3)),
    "depthwise": (nn.Conv2d(3, 3, 3, groups=3), (3, 5, 5)),
    "linear": (nn.Linear(5, 4), (5,)),
    "linear on sequences": (nn.Linear(3, 4, bias=False), (2, 3)),
}


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(kind: str) -> tuple[nn.Sequential, Pairs]:
    layer, shape = LAYERS[kind]
    torch.manual_seed(1)
    x = torch.randn(7, *shape, dtype=torch.float64)
    width = layer.double()(x).flatten(1).shape[1]
    model = nn.Sequential(layer, nn.Tanh(), nn.Flatten(), nn.Linear(width, 3)).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, dtype=torch.float64))
    labels = torch.randint(3, (7,))
    return model, [(x[:4], labels[:4]), (x[4:], labels[4:])]


def samples(model: nn.Sequential, pairs: Pairs) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the patches (positions, groups x fan_in) and gradients (positions, units) of the first layer, by sample.

    Patches are the outputs of a convolution whose kernels each let one input through.
    """
    layer: Any = model[0]
    for pictures, labels in pairs:
        for x, y in zip(pictures, labels, strict=True):
            given = layer(x[None])
            loss = F.cross_entropy(model[1:](given), y[None])
            (g,) = torch.autograd.grad(loss, given)
            if isinstance(layer, nn.Linear):
                yield x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
                continue
            fan_in = layer.weight[0].numel()
            eye = torch.eye(fan_in, dtype=x.dtype).view(fan_in, *layer.weight.shape[1:]).repeat(layer.groups, 1, 1, 1)
            a = F.conv2d(x[None], eye, None, layer.stride, layer.padding, layer.dilation, layer.groups)
            yield a.flatten(2)[0].T, g.flatten(2)[0].T


def factors(model: nn.Sequential, pairs: Pairs) -> tuple[list[Tensor], list[Tensor]]:
    """A and S of every group of the convolution, both damped."""
    layer: Any = model[0]
    groups = getattr(layer, "groups", 1)
    inputs: list[Any] = [0] * groups
    outputs: list[Any] = [0] * groups
    for a, g in samples(model, pairs):
        for number, (read, given) in enumerate(zip(a.chunk(groups, dim=1), g.chunk(groups, dim=1), strict=True)):
            if layer.bias is not None:
                read = torch.cat([read, read.new_ones(len(read), 1)], dim=1)
            inputs[number] = inputs[number] + read.T @ read / 7
            outputs[number] = outputs[number] + given.T @ given / len(g) / 7
    return [damped(A) for A in inputs], [damped(S) for S in outputs]


def damped(matrix: Tensor) -> Tensor:
    return matrix + DAMPING * torch.diag(matrix.diagonal())


def thetas(layer: Any) -> Tensor:
    weight = layer.weight.detach().flatten(1)
    return weight if layer.bias is None else torch.cat([weight, layer.bias.detach()[:, None]], dim=1)


@pytest.mark.parametrize("kind", LAYERS)
def test_c_obs_sums_what_single_removals_cost(kind: str) -> None:
    model, pairs = built(kind)
    layer, found = model[0], c_obs(model, pairs, drawn(), labels="true", damping=DAMPING)["0"]
    A, S = factors(model, pairs)
    theta, size = thetas(layer), len(found) // len(A)
    for unit, value in enumerate(found):
        group, place = divmod(unit, size)
        inverse = torch.linalg.inv(torch.kron(S[group], A[group])).diagonal().view(size, -1)
        torch.testing.assert_close(value, 0.5 * (theta[unit] ** 2 / inverse[place]).sum(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("kind", LAYERS)
def test_kron_obs_is_the_least_loss_without_a_unit(kind: str) -> None:
    """The other units of the group are free to change: solve for the best change that makes the unit's weights zero."""
    model, pairs = built(kind)
    found = kron_obs(model, pairs, drawn(), labels="true", damping=DAMPING)["0"]
    inputs, outputs = factors(model, pairs)
    every, size = thetas(model[0]), len(found) // len(inputs)
    for unit, value in enumerate(found):
        group, place = divmod(unit, size)
        A, theta = inputs[group], every[group * size : (group + 1) * size]
        A = A - DAMPING / (1 + DAMPING) * torch.diag(A.diagonal())  # A is not damped
        fisher = torch.kron(outputs[group], A)
        gone = torch.zeros_like(theta, dtype=torch.bool)
        gone[place] = True
        own, others = gone.flatten(), ~gone.flatten()
        change = torch.zeros_like(theta).flatten()
        change[own] = -theta[place]
        if others.any():
            best = torch.linalg.lstsq(fisher[others][:, others], fisher[others][:, own] @ change[own])
            change[others] = -best.solution
        torch.testing.assert_close(value, 0.5 * change @ fisher @ change, rtol=1e-6, atol=1e-12)


def test_no_unit_makes_up_for_one_that_reads_another_channel() -> None:
    """So nothing can in a depthwise convolution, though the gradients of its channels are nearly the same."""
    model, pairs = built("depthwise")
    with torch.no_grad():
        model[3].weight[:, 9:18] = model[3].weight[:, :9]
    obd, obs = (method(model, pairs, drawn(), labels="true")["0"] for method in (kron_obd, kron_obs))
    torch.testing.assert_close(obs, obd * 1.01)  # damping adds a hundredth


def test_numbers_that_are_not_finite_stay_so() -> None:
    model, pairs = built("linear")
    pairs[0][0][0, 0] = torch.nan
    for criterion in (c_obs, kron_obs):
        assert criterion(model, pairs, drawn(), labels="true")["0"].isnan().all()


def test_a_layer_that_gets_no_gradient_costs_nothing() -> None:
    model, pairs = built("linear")
    with torch.no_grad():
        model[3].weight.zero_()
    for criterion in (c_obs, kron_obs):
        assert not criterion(model, pairs, drawn(), labels="true")["0"].any()


@pytest.mark.parametrize("criterion", [C_OBS, KRON_OBS], ids=["c_obs", "kron_obs"])
@pytest.mark.parametrize("toy", [toys.chain, toys.residual, toys.depthwise, toys.grouped])
def test_every_toy_has_scores(criterion: Any, toy: Any) -> None:
    network: Network = toy()
    found = score(criterion, network, toys.batches(), drawn())
    assert {name: len(values) for name, values in found.items()} == network.units


@pytest.mark.parametrize("damping", ["0", "inf", "nan"])
def test_a_damping_without_meaning_is_refused(damping: str) -> None:
    with pytest.raises(UserError, match="damping"):
        C_OBS.with_options({"damping": damping})


@pytest.mark.parametrize("criterion", [c_obs, kron_obs])
def test_the_scale_of_one_unit_does_not_matter(criterion: Any) -> None:
    """A unit times 100, and what reads it over 100: the network gives the same."""
    pairs = built("linear")[1]
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)).double().eval()
    before = criterion(model, pairs, drawn(), labels="true")["0"]
    with torch.no_grad():
        model[0].weight[2] *= 100
        model[0].bias[2] *= 100
        model[2].weight[:, 2] /= 100
    torch.testing.assert_close(criterion(model, pairs, drawn(), labels="true")["0"], before)


def test_the_diagonal_of_an_inverse_in_every_group() -> None:
    matrix = torch.stack([torch.eye(2, dtype=torch.float64), torch.tensor([[2.0, 1.0], [1.0, 2.0]]).double()])
    wanted = torch.stack([torch.linalg.inv(damped(one)).diagonal() for one in matrix])
    torch.testing.assert_close(inverse_diagonal(matrix, DAMPING), wanted)
