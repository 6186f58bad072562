"""Activation-form Taylor against the slope of each example's loss along the removal of a feature map."""

import torch
from torch import nn
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


def test_the_absolute_value_is_taken_per_example() -> None:
    activation = torch.ones(2, 1, 1)
    assert CRITERION({"activation": activation, "activation_grad": torch.tensor([[[1.0]], [[-1.0]]])}).item() == 1.0


def test_a_layer_of_zeros_stays_zero() -> None:
    assert l2_normalised(torch.zeros(3)).tolist() == [0, 0, 0]
