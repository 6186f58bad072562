"""The sum form of weight Taylor against the slope of the loss on the way of each single weight to zero."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from prunebench.criteria.taylor import CRITERION as TAYLOR
from prunebench.criteria.taylor_sum import CRITERION
from prunebench.pruning.network import Network
from prunebench.scoring.score import score, score_weights
from prunebench.testing import toys


def squared_slopes(network: Network, layer: str) -> Tensor:
    """Sum over a unit's weights and bias of (dL/dm)^2, a mask m on each, averaged over batches by samples."""
    network.model.eval()
    values = {f"{layer}.{name}": p.detach() for name, p in network.layer(layer).named_parameters()}
    total = torch.zeros(len(values[f"{layer}.weight"]), dtype=torch.float64)
    for pictures, labels in toys.batches():
        masks = [torch.ones_like(value, requires_grad=True) for value in values.values()]
        masked = {name: value * mask for (name, value), mask in zip(values.items(), masks, strict=True)}
        loss = F.cross_entropy(functional_call(network.model, masked, (pictures,)), labels)
        for gradient in torch.autograd.grad(loss, masks):
            total += gradient.square().reshape(len(total), -1).sum(1) * len(labels) / 8
    return total


@pytest.mark.parametrize("toy", toys.TOYS)
def test_it_is_the_sum_of_the_squared_slopes_of_single_weights(toy: str) -> None:
    network = toys.TOYS[toy]()
    scores = score(CRITERION, network, toys.batches(), torch.Generator())
    for group in network.table.groups:
        layers = [squared_slopes(network, layer)[network.positions(group, layer)].sum(1) for layer in group.producers]
        torch.testing.assert_close(scores[group.name], torch.stack(layers).sum(0), rtol=1e-10, atol=1e-16)


@pytest.mark.parametrize("toy", toys.TOYS)
def test_of_single_weights_it_is_taylor(toy: str) -> None:
    network = toys.TOYS[toy]()
    taylor = score_weights(TAYLOR, network, toys.batches(), torch.Generator())
    for layer, values in score_weights(CRITERION, network, toys.batches(), torch.Generator()).items():
        torch.testing.assert_close(values, taylor[layer], rtol=1e-12, atol=0)


def test_changes_of_opposite_sign_do_not_cancel() -> None:
    evidence = {"weight": torch.ones(1, 2), "grad": torch.tensor([[1.0, -1.0]])}
    evidence |= {"bias": torch.ones(1), "bias_grad": torch.zeros(1)}
    assert CRITERION(evidence).item() == 2
    assert TAYLOR(evidence).item() == 0
