"""What leaves a layer's BatchNorm: whose it is, and that a unit's gate stands where the unit leaves for good."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.models.densenet import DENSENET40
from prunebench.models.mobilenetv2 import mobilenetv2
from prunebench.models.resnet import RESNET20
from prunebench.plugins.criterion import Criterion
from prunebench.pruning.analysis import analyse
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.verification import randomised
from prunebench.scoring.evidence import gather
from prunebench.scoring.score import score
from prunebench.testing import toys

NORMED = frozenset({"normed", "normed_grad"})


def observe(network: Network, pictures: Tensor, labels: Tensor, also: frozenset[str] = frozenset()) -> Any:
    return gather(network, NORMED | also, (pictures, labels), torch.Generator().manual_seed(0))


def real(model: nn.Module, size: int = 16) -> tuple[Network, Tensor, Tensor]:
    """Give a network in float64 whose weights matter, with pictures and labels; BatchNorm keeps signals small."""
    draws = torch.Generator().manual_seed(2)
    pictures = torch.randn(4, 3, size, size, generator=draws, dtype=torch.float64)
    network = randomised(model, analyse(model, torch.zeros(1, 3, size, size), check=False), torch.device("cpu"))
    with torch.no_grad():
        for module in network.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.register_forward_pre_hook(_adapt)
        network.model(pictures)
        for module in network.model.modules():
            module._forward_pre_hooks.clear()
    return network, pictures, torch.randint(3, (4,), generator=draws)


def _adapt(norm: Any, given: tuple[Tensor]) -> None:
    norm.running_mean.copy_(given[0].mean((0, 2, 3)))
    norm.running_var.copy_(given[0].var((0, 2, 3)) + 0.1)


@contextmanager
def gated(network: Network, places: dict[str, Tensor], gate: Tensor) -> Iterator[None]:
    """Multiply what leaves some modules by a gate of each unit. places: positions (units, k); gate: (units,)."""
    handles = []
    for name, positions in places.items():

        def multiply(module: nn.Module, given: Any, output: Tensor, positions: Tensor = positions) -> Tensor:
            factor = output.new_ones(output.shape[1]).index_put((positions,), gate[:, None].expand(positions.shape))
            return output * factor.view(1, -1, *[1] * (output.ndim - 2))

        handles.append(network.layer(name).register_forward_hook(multiply))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def losses(network: Network, pictures: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(network.model.eval()(pictures), labels, reduction="none")


def gate_gradient(normed: Tensor, normed_grad: Tensor) -> Tensor:
    """Give each unit's mean gate gradient."""
    return (normed * normed_grad).reshape(*normed.shape[:2], -1).sum(2).mean(0)


GATE = Criterion(gate_gradient, coupling="joint")


@pytest.mark.parametrize("toy", toys.TOYS)
def test_it_is_gamma_dgamma_plus_beta_dbeta(toy: str) -> None:
    network, (pictures, labels) = toys.TOYS[toy](), toys.batches()[0]
    found = observe(network, pictures, labels, frozenset({"output", "output_grad"}))
    losses(network, pictures, labels).mean().backward()  # type: ignore[no-untyped-call]
    for layer, values in found.items():
        change = gate_gradient(values["normed"], values["normed_grad"])
        norm: Any = network.layer(network.table.norm[layer]) if layer in network.table.norm else None
        if norm is None:
            assert torch.equal(values["normed"], values["output"])
            assert torch.equal(values["normed_grad"], values["output_grad"])
        else:
            expected = norm.weight * norm.weight.grad + norm.bias * norm.bias.grad
            torch.testing.assert_close(change, expected.detach(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("toy", toys.TOYS)
def test_each_sample_has_its_own_gradient(toy: str) -> None:
    network, (pictures, labels) = toys.TOYS[toy](), toys.batches()[0]
    found = observe(network, pictures, labels)
    for n in range(len(labels)):
        alone = observe(network, pictures[n : n + 1], labels[n : n + 1])
        for layer, values in found.items():
            for name in NORMED:
                torch.testing.assert_close(values[name][n], alone[layer][name][0], rtol=1e-10, atol=1e-14)


def test_in_place_relu_and_addition_do_not_change_it() -> None:
    network, (pictures, labels) = toys.residual(), toys.batches()[0]
    found = observe(network, pictures, labels)
    model: Any = network.model.eval()
    with torch.no_grad():
        stem = model.bn1(model.stem(pictures))
        torch.testing.assert_close(found["stem"]["normed"], stem)
        torch.testing.assert_close(found["conv"]["normed"], model.bn2(model.conv(stem.relu())))


def test_a_batchnorm_behind_a_concatenation_is_nobodys() -> None:
    network, pictures, labels = real(DENSENET40.with_options({"growth": "3"})(3, 16, 3))
    found = observe(network, pictures, labels, frozenset({"output"}))
    assert not network.table.norm
    for layer, values in found.items():
        assert torch.equal(values["normed"], values["output"]), layer


def places(network: Network, group: Any) -> dict[str, Tensor]:
    """Say where the gates of a group stand: `_compare` proves it, since a closed gate must be a removed unit."""
    table, spots = network.table, {}
    for piece in group.slices:
        if piece.side == "out" and isinstance(network.layer(piece.layer), ChannelPad):
            spots[piece.layer] = piece.index
    for layer in group.producers:
        if layer not in table.depthwise.values():
            spots[table.norm.get(layer, layer)] = network.positions(group, layer)
    return spots


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_joint_it_is_the_gradient_of_one_gate_for_all_layers_of_a_stream(shortcut: str) -> None:
    network, pictures, labels = real(RESNET20.with_options({"shortcut": shortcut})(3, 16, 3))
    _compare(network, pictures, labels)


def test_a_gate_stands_behind_a_depthwise_convolution_and_not_before_it_too() -> None:
    network, pictures, labels = real(mobilenetv2(3, 16, 3, width=0.25))
    _compare(network, pictures, labels)


def _compare(network: Network, pictures: Tensor, labels: Tensor) -> None:
    """Expect the gradient of gates set by hand, and that a closed gate is a removed unit."""
    scores = score(GATE, network, [(pictures, labels)], torch.Generator())
    for group in network.table.groups:
        spots = places(network, group)
        gate = torch.ones(group.units, dtype=torch.float64, requires_grad=True)
        with gated(network, spots, gate):
            (expected,) = torch.autograd.grad(losses(network, pictures, labels).mean(), gate)
        torch.testing.assert_close(scores[group.name], expected, rtol=1e-8, atol=1e-12)
        with torch.no_grad(), gated(network, spots, gate.detach().index_fill(0, torch.tensor([1]), 0)):
            closed = losses(network, pictures, labels)
        with torch.no_grad():
            removed = losses(remove(network, {group.name: torch.tensor([1])}), pictures, labels)
        torch.testing.assert_close(removed, closed, rtol=1e-9, atol=1e-12)
