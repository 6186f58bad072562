"""Group Fisher against explicit masks before the layers that read a unit, the place of the paper."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.criteria.group_fisher import CRITERION
from prunebench.models.densenet import DENSENET40
from prunebench.models.mobilenetv2 import mobilenetv2
from prunebench.models.resnet import RESNET20
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.pruning.verification import randomised
from prunebench.scoring.score import score
from prunebench.testing import toys


def real(model: nn.Module, size: int) -> tuple[Network, Tensor, Tensor]:
    """Give a network with random weights in float64, a picture and a label; BatchNorm keeps signals small."""
    draws = torch.Generator().manual_seed(2)
    picture = torch.randn(4, 3, size, size, generator=draws, dtype=torch.float64)
    network = randomised(model, analyse(model, torch.zeros(1, 3, size, size), check=False), torch.device("cpu"))
    norms: list[Any] = [module for module in network.model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # averages of this one batch
        norm.reset_running_stats()
    network.model.train()
    with torch.no_grad():
        network.model(picture)
    network.model.eval()
    return network, picture, torch.randint(3, (4,), generator=draws)


# By toy and group, the layers that read the group's units: the first channel that they read, and channels per unit.
READERS: dict[str, dict[str, dict[str, tuple[int, int]]]] = {
    "chain": {"0": {"2": (0, 1)}, "2": {"6": (0, 4)}, "6": {"9": (0, 1)}},
    "residual": {"stem": {"conv": (0, 1), "linear": (0, 1)}},
    "depthwise": {"0": {"3": (0, 1), "6": (0, 1)}, "6": {"9": (0, 1)}},
    "dense": {
        "stem": {"conv1": (0, 1), "conv2": (0, 1), "linear": (2, 1)},
        "conv1": {"conv2": (4, 1), "linear": (6, 1)},
        "conv2": {"linear": (0, 1)},
    },
    "pre-activation": {"stem": {"conv": (0, 1), "linear": (0, 1)}, "conv": {"out": (0, 1)}},
}


@pytest.mark.parametrize("toy", READERS)
def test_it_is_the_derivative_by_one_mask_before_every_layer_that_reads(toy: str) -> None:
    network = toys.TOYS[toy]()
    network.model.eval()
    scores = score(CRITERION, network, toys.batches(), torch.Generator())
    assert scores.keys() == READERS[toy].keys()
    for group, places in READERS[toy].items():
        index = {
            name: torch.arange(start, start + network.units[group] * each).view(-1, each)
            for name, (start, each) in places.items()
        }
        expected: Any = 0
        for pictures, labels in toys.batches():
            for picture, label in zip(pictures, labels, strict=True):
                slope = _slope(network, index, picture[None], label[None])
                expected = expected + 0.5 * slope.square() / 8
        torch.testing.assert_close(scores[group], expected, rtol=1e-10, atol=1e-16)


def test_derivatives_are_added_over_layers_before_and_over_samples_after_the_square() -> None:
    read = torch.ones(2, 1, 2)  # two samples, one unit, one position in each of two layers
    cancel = torch.tensor([[[1.0, -1.0]], [[2.0, -2.0]]])
    assert CRITERION({"read": read, "read_grad": cancel}).item() == 0
    opposite = torch.tensor([[[1.0, 1.0]], [[-1.0, -1.0]]])
    assert CRITERION({"read": read, "read_grad": opposite}).item() == 2


MODELS: dict[str, Callable[[], nn.Module]] = {
    "shortcuts that pad": lambda: RESNET20(3, 8, 3),
    "shortcuts that are convolutions": lambda: RESNET20.with_options({"shortcut": "B"})(3, 8, 3),
    "dense": lambda: DENSENET40.with_options({"growth": "2"})(3, 8, 3),
    "depthwise": lambda: mobilenetv2(3, 8, 3, width=0.1),
}


@pytest.mark.parametrize("name", MODELS)
def test_real_networks_read_what_the_table_says(name: str) -> None:
    network, pictures, labels = real(MODELS[name](), 8)
    picture, label = pictures[:1], labels[:1]
    scores = score(CRITERION, network, [(picture, label)], torch.Generator())
    for group in network.table.groups:
        index = {piece.layer: piece.index for piece in group.slices if piece.side == "in"}
        index |= {piece.layer: piece.index for piece in group.slices if piece.layer in network.table.depthwise}
        expected = 0.5 * _slope(network, index, picture, label).square()
        torch.testing.assert_close(scores[group.name], expected, rtol=1e-8, atol=1e-10 * float(expected.max()))


def _slope(network: Network, index: Mapping[str, Tensor], picture: Tensor, label: Tensor) -> Tensor:
    """Derivative of the loss by a mask before layers. index: the channels (units, k) that they read, by layer."""
    units = len(next(iter(index.values())))
    mask = torch.ones(units, dtype=torch.float64, requires_grad=True)

    def masked(index: Tensor, given: Tensor) -> tuple[Tensor]:
        factor = given.new_ones(given.shape[1]).index_put((index,), mask[:, None].expand(index.shape))
        return (given * factor.view(1, -1, *[1] * (given.ndim - 2)),)

    handles = [
        network.layer(name).register_forward_pre_hook(lambda _, given, at=at: masked(at, given[0]))
        for name, at in index.items()
    ]
    loss = F.cross_entropy(network.model(picture), label)
    for handle in handles:
        handle.remove()
    return torch.autograd.grad(loss, mask)[0]
