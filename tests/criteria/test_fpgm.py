"""FPGM against distances by scipy, torch-pruning where that is right, and the geometric median itself."""

import pytest
import torch
import torch_pruning
from scipy.spatial.distance import cdist
from torch import nn

from prunebench.criteria.fpgm import CRITERION, fpgm
from prunebench.scoring.score import score
from prunebench.testing import toys


def drawn(units: int = 30, fan_in: int = 7) -> torch.Tensor:  # above 25 units torch's default is a matrix product
    return torch.randn(units, fan_in, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_is_the_sum_of_distances() -> None:
    weight = drawn()
    assert fpgm(weight).tolist() == pytest.approx(cdist(weight.numpy(), weight.numpy()).sum(1).tolist(), rel=1e-12)


def test_signs_count() -> None:
    weight = torch.tensor([[1.0], [1.0], [-1.0], [-1.0], [-1.0]])
    assert fpgm(weight).tolist() == [6, 6, 4, 4, 4]  # by |w| all would be 0


def test_it_is_torch_prunings_for_positive_weights() -> None:
    layer = nn.Conv2d(2, 30, 3)
    weight = drawn(30, 18).abs().float()
    layer.weight.data = weight.view(30, 2, 3, 3)
    model = nn.Sequential(layer)
    graph = torch_pruning.DependencyGraph().build_dependency(model, torch.zeros(1, 2, 3, 3))
    group = graph.get_pruning_group(layer, torch_pruning.prune_conv_out_channels, list(range(30)))
    importance = torch_pruning.importance.FPGMImportance(p=1, normalizer=None)
    torch.testing.assert_close(fpgm(weight), importance(group), rtol=1e-4, atol=0)  # it multiplies matrices


def test_equal_units_are_no_distance_apart_in_single_precision() -> None:
    weight = torch.randn(1, 4608, generator=torch.Generator().manual_seed(0)).expand(64, -1)
    assert fpgm(weight).tolist() == [0.0] * 64


def test_the_unit_at_the_geometric_median_goes_first() -> None:
    weight = drawn()
    median = weight.mean(0)
    for _ in range(2000):  # Weiszfeld's iteration
        nearness = 1 / (weight - median).norm(dim=1, keepdim=True)
        median = (nearness * weight).sum(0) / nearness.sum()
    scores = fpgm(torch.cat([weight, median[None]]))
    assert int(scores.argmin()) == 30


def test_a_coupled_unit_is_one_point() -> None:
    network = toys.residual()
    weights = [network.layer(name).get_parameter("weight").detach().flatten(1) for name in ("stem", "conv")]
    points = torch.cat(weights, dim=1).numpy()
    scores = score(CRITERION, network, [], torch.Generator())["stem"]
    assert scores.tolist() == pytest.approx(cdist(points, points).sum(1).tolist(), rel=1e-12)
