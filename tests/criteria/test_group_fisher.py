"""Group Fisher against explicit masks before the layers that read a unit, the place of the paper."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from prunebench.criteria.group_fisher import CRITERION
from prunebench.models.resnet import RESNET20
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Group, Network
from prunebench.pruning.verification import randomised
from prunebench.scoring.score import score
from prunebench.testing import toys


def residual(network: Network, pictures: Tensor, mask: Tensor) -> Tensor:
    """Logits with one mask on what the convolution and the linear layer read; the shortcut is nobody's input."""
    model: Any = network.model
    stream = F.relu(model.bn1(model.stem(pictures)))
    inner = model.bn2(model.conv(stream * mask.view(-1, 1, 1))) + stream
    logits: Tensor = model.linear(F.relu(inner).mean((2, 3)) * mask)
    return logits


def depthwise(network: Network, pictures: Tensor, mask: Tensor) -> Tensor:
    """Logits with one mask on what the depthwise convolution and the one behind it read."""
    logits = pictures
    for name, module in network.model.named_children():
        logits = module(logits * mask.view(-1, 1, 1) if name in ("3", "6") else logits)
    return logits


def chain(network: Network, pictures: Tensor, mask: Tensor) -> Tensor:
    """Logits with a mask on the four numbers of each unit that the linear layer reads."""
    logits = pictures
    for name, module in network.model.named_children():
        logits = module(logits * mask.repeat_interleave(4) if name == "6" else logits)
    return logits


def _compare(network: Network, group: str, forward: Callable[[Network, Tensor, Tensor], Tensor]) -> None:
    network.model.eval()
    expected: Any = 0
    for pictures, labels in toys.batches():
        for picture, label in zip(pictures, labels, strict=True):
            mask = torch.ones(network.units[group], dtype=torch.float64, requires_grad=True)
            loss = F.cross_entropy(forward(network, picture[None], mask), label[None])
            expected = expected + 0.5 * torch.autograd.grad(loss, mask)[0].square() / 8
    scores = score(CRITERION, network, toys.batches(), torch.Generator())
    torch.testing.assert_close(scores[group], expected, rtol=1e-10, atol=1e-16)


def test_on_a_stream_of_relu_it_is_the_derivative_by_one_mask_on_all_that_is_read() -> None:
    _compare(toys.residual(), "stem", residual)


def test_a_depthwise_convolution_shares_the_mask_of_what_it_reads() -> None:
    _compare(toys.depthwise(), "0", depthwise)


def test_a_linear_layer_reads_a_unit_at_several_places() -> None:
    _compare(toys.chain(), "2", chain)


def test_derivatives_are_added_over_layers_before_and_over_samples_after_the_square() -> None:
    activation = torch.ones(2, 1, 2)  # two samples, one unit, one position in each of two layers
    cancel = torch.tensor([[[1.0, -1.0]], [[2.0, -2.0]]])
    assert CRITERION({"activation": activation, "activation_grad": cancel}).item() == 0
    opposite = torch.tensor([[[1.0, 1.0]], [[-1.0, -1.0]]])
    assert CRITERION({"activation": activation, "activation_grad": opposite}).item() == 2


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_on_a_resnet_shortcuts_that_pad_are_read_and_write_too(shortcut: str) -> None:
    model = RESNET20.with_options({"shortcut": shortcut})(3, 8, 3)
    network = randomised(model, analyse(model, torch.zeros(1, 3, 8, 8), check=False), torch.device("cpu"))
    draws = torch.Generator().manual_seed(0)
    picture, label = torch.randn(1, 3, 8, 8, generator=draws, dtype=torch.float64), torch.tensor([1])
    with torch.no_grad():  # a loss neither at zero nor at its ceiling
        last = network.layer("linear").get_parameter("weight")
        last.div_(network.model(picture).abs().max())
    scores = score(CRITERION, network, [(picture, label)], torch.Generator())
    for group in network.table.groups:
        expected = 0.5 * _slope(network, group, picture, label).square()
        torch.testing.assert_close(scores[group.name], expected, rtol=1e-8, atol=1e-10 * float(expected.max()))


def _slope(network: Network, group: Group, picture: Tensor, label: Tensor) -> Tensor:
    """Derivative of the loss by a mask before all that reads the units of a group."""
    mask = torch.ones(group.units, dtype=torch.float64, requires_grad=True)

    def masked(index: Tensor, given: Tensor) -> tuple[Tensor]:
        factor = given.new_ones(given.shape[1]).index_put((index,), mask[:, None].expand(index.shape))
        return (given * factor.view(1, -1, *[1] * (given.ndim - 2)),)

    handles = [
        network.layer(piece.layer).register_forward_pre_hook(lambda _, given, at=piece.index: masked(at, given[0]))
        for piece in group.slices
        if piece.side == "in"
    ]
    loss = F.cross_entropy(network.model(picture), label)
    for handle in handles:
        handle.remove()
    return torch.autograd.grad(loss, mask)[0]
