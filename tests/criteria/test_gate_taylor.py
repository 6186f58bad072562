"""Gate-Taylor against the derivative of the loss by explicit gates behind the BatchNorms."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from prunebench.criteria.gate_taylor import CRITERION
from prunebench.criteria.taylor import CRITERION as TAYLOR
from prunebench.plugins.criterion import Criterion
from prunebench.pruning.network import Network
from prunebench.scoring.layers import Batches
from prunebench.scoring.score import score
from prunebench.testing import toys

PLACES = {"chain": {"0": "0", "3": "2", "6": "6"}, "depthwise": {"4": "0", "6": "6"}}  # group by what its gate follows
PER_EXAMPLE = CRITERION.with_options({"per_example": "true"})


def losses(toy: str, network: Network, pictures: Tensor, gates: Mapping[str, Tensor], labels: Tensor) -> Tensor:
    """Each example's loss with a gate (units,) for every group, written out."""
    model: Any = network.model.eval()
    if toy == "residual":  # one gate, behind each of the two BatchNorms that write to the stream
        gate = gates["stem"].view(-1, 1, 1)
        stream = F.relu(model.bn1(model.stem(pictures)) * gate)
        logits = model.linear(F.relu(model.bn2(model.conv(stream)) * gate + stream).mean((2, 3)))
    else:
        logits = pictures
        for name, module in model.named_children():
            logits = module(logits)
            if name in PLACES[toy]:
                logits = logits * gates[PLACES[toy][name]].view(-1, *[1] * (logits.ndim - 2))
    return F.cross_entropy(logits, labels, reduction="none")


def ones(network: Network) -> dict[str, Tensor]:
    return {g.name: torch.ones(g.units, dtype=torch.float64, requires_grad=True) for g in network.table.groups}


def scores(criterion: Criterion, network: Network, batches: Batches) -> dict[str, Tensor]:
    return score(criterion, network, batches, torch.Generator())


def one_by_one() -> list[tuple[Tensor, Tensor]]:
    return [(p[None], y[None]) for pictures, labels in toys.batches() for p, y in zip(pictures, labels, strict=True)]


@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise"])
@pytest.mark.parametrize("criterion", [CRITERION, PER_EXAMPLE], ids=["batch mean", "per example"])
def test_it_is_the_squared_derivative_by_the_gate(toy: str, criterion: Criterion) -> None:
    network = toys.TOYS[toy]()
    expected = {g.name: torch.zeros(g.units, dtype=torch.float64) for g in network.table.groups}
    for pictures, labels in one_by_one() if criterion is PER_EXAMPLE else toys.batches():
        gates = ones(network)
        loss = losses(toy, network, pictures, gates, labels).mean()
        for name, slope in zip(gates, torch.autograd.grad(loss, list(gates.values())), strict=True):
            expected[name] += slope.square() * len(labels) / 8
    for name, values in scores(criterion, network, toys.batches()).items():
        torch.testing.assert_close(values, expected[name], rtol=1e-9, atol=1e-15)


def test_a_batchs_mean_comes_before_the_square() -> None:
    evidence = {"normed": torch.ones(2, 1, 1), "normed_grad": torch.tensor([[[1.0]], [[-1.0]]])}
    assert CRITERION(evidence).item() == 0
    assert PER_EXAMPLE(evidence).item() == 1


def test_a_unit_that_its_batchnorm_alone_keeps_alive_is_seen() -> None:
    network, batch = toys.chain(), toys.batches()[0]
    norm: Any = network.layer("3")
    with torch.no_grad():
        network.layer("2").get_parameter("weight")[1] = 0
        norm.running_mean[1], norm.bias[1] = 0, 1
    assert scores(CRITERION, network, [batch])["2"][1] > 1e-4
    assert scores(TAYLOR, network, [batch])["2"][1] == 0  # the weight form does not see it
