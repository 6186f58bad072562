"""Weight-form Taylor against the derivative of the loss along the removal of a unit."""

from typing import Any

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from prunebench.criteria.block_obd import CRITERION as BLOCK_OBD
from prunebench.criteria.taylor import CRITERION
from prunebench.scoring.score import score
from prunebench.testing import toys


@pytest.mark.parametrize("toy", toys.TOYS)
def test_it_is_the_squared_slope_of_the_loss_on_the_way_to_removal(toy: str) -> None:
    network, batches = toys.TOYS[toy](), toys.batches()
    network.model.eval()
    scores = score(CRITERION, network, batches, torch.Generator())
    state = {name: p.detach() for name, p in network.model.named_parameters()}
    for group in network.table.groups:
        expected: Any = 0
        for pictures, labels in batches:
            keep = torch.ones(group.units, dtype=torch.float64, requires_grad=True)
            scaled = dict(state)
            for layer in group.producers:
                if (toy, layer) == ("depthwise", "0"):
                    continue  # a depthwise filter alone reads it: the unit is removed once
                factor = keep.new_ones(len(state[f"{layer}.weight"]))
                index = network.positions(group, layer)
                factor = factor.index_put((index,), keep[:, None].expand(index.shape))
                for name in ("weight", "bias"):
                    if f"{layer}.{name}" in state:
                        tensor = state[f"{layer}.{name}"]
                        scaled[f"{layer}.{name}"] = tensor * factor.view(-1, *[1] * (tensor.ndim - 1))
            loss = F.cross_entropy(functional_call(network.model, scaled, (pictures,)), labels)
            (slope,) = torch.autograd.grad(loss, keep)
            expected = expected + slope.square() * len(labels) / 8
        torch.testing.assert_close(scores[group.name], expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("toy", toys.TOYS)
def test_with_one_sample_a_batch_it_is_twice_block_obd(toy: str) -> None:
    network, batches = toys.TOYS[toy](), toys.batches()
    single = [(p[None], y[None]) for pictures, labels in batches for p, y in zip(pictures, labels, strict=True)]
    taylor = score(CRITERION, network, single, torch.Generator())
    for name, block_obd in score(BLOCK_OBD, network, batches, torch.Generator()).items():
        torch.testing.assert_close(taylor[name], 2 * block_obd, rtol=1e-10, atol=1e-16)
