"""SNIP against autograd on explicit connection masks, with the mean loss over all pictures."""

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from prunebench.criteria.snip import CRITERION
from prunebench.pruning.network import Network
from prunebench.scoring.score import score, score_weights
from prunebench.testing import toys


def sensitivity(network: Network, layer: str) -> dict[str, Tensor]:
    """|dL/dc| of a mask c = 1 on every connection of a layer, `weight` and `bias` each in its own shape."""
    network.model.eval()
    values = {f"{layer}.{name}": p.detach() for name, p in network.layer(layer).named_parameters()}
    masks = {name: torch.ones_like(value, requires_grad=True) for name, value in values.items()}
    pictures, labels = torch.cat([p for p, _ in toys.batches()]), torch.cat([y for _, y in toys.batches()])
    masked = {name: values[name] * mask for name, mask in masks.items()}
    loss = F.cross_entropy(functional_call(network.model, masked, (pictures,)), labels)
    gradients = torch.autograd.grad(loss, list(masks.values()))
    return {name.rpartition(".")[2]: g.abs() for name, g in zip(masks, gradients, strict=True)}


@pytest.mark.parametrize("toy", toys.TOYS)
def test_it_is_the_sum_of_the_sensitivities_of_a_units_connections(toy: str) -> None:
    network = toys.TOYS[toy]()
    scores = score(CRITERION, network, toys.batches(), torch.Generator())
    for group in network.table.groups:
        expected = torch.zeros(group.units, dtype=torch.float64)
        for layer in group.producers:
            total = sum(g.reshape(len(g), -1).sum(1) for g in sensitivity(network, layer).values())
            assert isinstance(total, Tensor)
            expected += total[network.positions(group, layer)].sum(1)
        torch.testing.assert_close(scores[group.name], expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("toy", toys.TOYS)
def test_of_single_weights_it_is_the_sensitivity_of_each(toy: str) -> None:
    network = toys.TOYS[toy]()
    for layer, values in score_weights(CRITERION, network, toys.batches(), torch.Generator()).items():
        torch.testing.assert_close(values, sensitivity(network, layer)["weight"].flatten(), rtol=1e-10, atol=1e-15)
