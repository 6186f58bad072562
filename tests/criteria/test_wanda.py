"""Wanda against the accumulation of its authors' code, and against the output's size where it is exact."""

import torch
from torch import nn

from prunebench.criteria.wanda import CRITERION
from prunebench.scoring.score import score, score_weights
from prunebench.testing import toys


@torch.no_grad()
def test_it_is_the_sum_of_the_authors_weight_metric() -> None:
    network = toys.chain()
    model = network.model.eval()
    assert isinstance(model, nn.Sequential)
    scaler_row, seen = torch.zeros(16, dtype=torch.float64), 0
    for pictures, _ in toys.batches():  # a running mean of ||x_j||^2 per sample, updated batch by batch
        rows = model[:6](pictures)
        scaler_row = (scaler_row * seen + rows.norm(p=2, dim=0) ** 2) / (seen + len(rows))
        seen += len(rows)
    metric = network.layer("6").get_parameter("weight").abs() * scaler_row.sqrt()
    scores = score(CRITERION, network, toys.batches(), torch.Generator())["6"]
    torch.testing.assert_close(scores, metric.sum(1), rtol=1e-12, atol=0)


@torch.no_grad()
def test_of_a_depthwise_unit_with_one_weight_it_is_the_norm_of_its_output() -> None:
    network = toys.depthwise()
    model = network.model.eval()
    assert isinstance(model, nn.Sequential)
    layer = network.layer("3")
    weight = layer.get_parameter("weight")
    weight.mul_(torch.eye(3, dtype=weight.dtype)[1, :, None] * torch.eye(3, dtype=weight.dtype)[1])  # the middle only
    pictures = torch.cat([pictures for pictures, _ in toys.batches()])
    inputs = model[:3](pictures)
    output = layer(inputs) - layer.get_parameter("bias").view(-1, 1, 1)
    patches = nn.functional.unfold(pictures, 3).square().sum(2).mean(0).sqrt()
    expected = (
        output.square().sum((2, 3)).mean(0).sqrt()
        + network.layer("0").get_parameter("weight").flatten(1).abs() @ patches
    )
    scores = score(CRITERION, network, toys.batches(), torch.Generator())["0"]
    torch.testing.assert_close(scores, expected, rtol=1e-12, atol=0)


@torch.no_grad()
def test_single_weights_have_the_terms_of_the_sum() -> None:
    network = toys.chain()
    model = network.model.eval()
    assert isinstance(model, nn.Sequential)
    rows = torch.cat([model[:6](pictures) for pictures, _ in toys.batches()])
    wanted = network.layer("6").get_parameter("weight").abs() * rows.square().mean(0).sqrt()
    found = score_weights(CRITERION, network, toys.batches(), torch.Generator())["6"]
    torch.testing.assert_close(found, wanted.flatten(), rtol=1e-12, atol=0)
