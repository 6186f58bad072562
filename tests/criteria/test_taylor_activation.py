"""Activation-form Taylor against the slope of each example's loss along the removal of a feature map."""

from functools import partial
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.criteria.taylor_activation import CRITERION, l2_normalised
from prunebench.scoring.score import score
from prunebench.testing import toys


def test_it_is_the_mean_slope_of_each_examples_loss() -> None:
    network, batches = toys.chain(), toys.batches()
    model = network.model.eval()
    assert isinstance(model, nn.Sequential)
    scores = score(CRITERION, network, batches, torch.Generator())
    for layer, tail, positions in (("0", 2, 9), ("2", 5, 4), ("6", 8, 1)):
        total = torch.zeros(network.units[layer], dtype=torch.float64)
        for pictures, labels in batches:
            for picture, label in zip(pictures, labels, strict=True):
                keep = torch.ones_like(total, requires_grad=True)
                z = model[:tail](picture[None]).detach()
                z = z * keep.view(1, -1, *[1] * (z.ndim - 2))
                (slope,) = torch.autograd.grad(F.cross_entropy(model[tail:](z), label[None]), keep)
                total += slope.abs() / positions
        torch.testing.assert_close(scores[layer], total / total.square().sum().sqrt(), rtol=1e-10, atol=1e-14)


# By toy, layer by layer: the call of a module whose output is the layer's map.
PLACES = {
    "residual": {"stem": ("relu", 1), "conv": ("bn2", 1)},
    "depthwise": {"0": ("2", 1), "3": ("5", 1), "6": ("6", 1)},
    "dense": {"stem": ("stem", 1), "conv1": ("conv1", 1), "conv2": ("conv2", 1)},
    "pre-activation": {"stem": ("stem", 1), "conv": ("relu", 2), "out": ("out", 1)},
}


def _masked(mask: Tensor, calls: Any, number: int, module: nn.Module, given: Any, output: Tensor) -> Tensor:
    return output * mask.view(1, -1, 1, 1) if next(calls) == number else output


@pytest.mark.parametrize("toy", PLACES)
def test_the_slope_is_that_of_a_mask_before_all_that_reads_the_map(toy: str) -> None:
    network = toys.TOYS[toy]()
    model = network.model.eval()
    scores = score(CRITERION, network, toys.batches(), torch.Generator())
    for group in network.table.groups:
        expected = torch.zeros(group.units, dtype=torch.float64)
        for layer in group.producers:
            place, number = PLACES[toy][layer]
            slopes = []
            for picture, label in (pair for batch in toys.batches() for pair in zip(*batch, strict=True)):
                mask, calls = torch.ones(group.units, dtype=torch.float64, requires_grad=True), count(1)
                hook = partial(_masked, mask, calls, number)
                handle = model.get_submodule(place).register_forward_hook(hook)
                loss = F.cross_entropy(model(picture[None]), label[None])
                handle.remove()
                slopes.append(torch.autograd.grad(loss, mask)[0].abs())
            mean = torch.stack(slopes).mean(0)  # positions are as many for every unit: the norm takes them away
            expected += mean / mean.norm()
        torch.testing.assert_close(scores[group.name], expected, rtol=1e-10, atol=1e-14)


def test_the_absolute_value_is_taken_per_example() -> None:
    activation = torch.ones(2, 1, 1)
    assert CRITERION({"activation": activation, "activation_grad": torch.tensor([[[1.0]], [[-1.0]]])}).item() == 1.0


def test_a_layer_of_zeros_stays_zero() -> None:
    assert l2_normalised(torch.zeros(3)).tolist() == [0, 0, 0]
