"""LAMP against its definition in loops, numbers by hand and torch-pruning's normaliser."""

import pytest
import torch
from torch_pruning.pruner.importance import LAMPImportance

from prunebench.criteria.lamp import CRITERION, lamp
from prunebench.scoring.score import score
from prunebench.testing import toys


def drawn(units: int = 12, fan_in: int = 7) -> torch.Tensor:
    return torch.randn(units, fan_in, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_it_is_the_definition() -> None:
    weight = drawn()
    squares = [float(sum(w * w for w in row)) for row in weight.tolist()]
    order = sorted(range(len(squares)), key=squares.__getitem__)
    expected = [0.0] * len(squares)
    for place, unit in enumerate(order):
        expected[unit] = squares[unit] / sum(squares[other] for other in order[place:])
    assert lamp(weight).tolist() == pytest.approx(expected, rel=1e-12)


def test_it_is_torch_prunings_normaliser_of_the_squared_norms() -> None:
    weight = drawn().float()
    expected = LAMPImportance()._lamp(weight.square().sum(1))
    torch.testing.assert_close(lamp(weight).float(), expected, rtol=1e-5, atol=0)


def test_equal_norms_have_equal_scores_whatever_their_order() -> None:
    weight = torch.tensor([[1.0, 0.0], [0.0, 3.0], [0.0, -1.0], [-1.0, 0.0]])  # 1, 9, 1, 1 of 12
    assert lamp(weight).tolist() == pytest.approx([1 / 12, 1, 1 / 12, 1 / 12])
    assert lamp(weight.flip(0)).tolist() == lamp(weight).flip(0).tolist()
    assert lamp(torch.ones(4, 1)).tolist() == [0.25] * 4


def test_zeros_go_first_and_a_layer_of_zeros_stays_finite() -> None:
    assert lamp(torch.tensor([[0.0], [2.0], [0.0]])).tolist() == [0, 1, 0]
    assert lamp(torch.zeros(3, 2)).tolist() == [0, 0, 0]


def test_a_coupled_group_is_one_layer() -> None:
    network = toys.residual()
    weights = [network.layer(name).get_parameter("weight").detach().flatten(1) for name in ("stem", "conv")]
    scores = score(CRITERION, network, [], torch.Generator())["stem"]
    torch.testing.assert_close(scores, lamp(torch.cat(weights, dim=1)))
    assert float(scores.max()) == 1.0


def test_the_tied_positions_of_a_grouped_convolution_are_one_unit() -> None:
    network = toys.grouped()
    weight = network.layer("2").get_parameter("weight").detach().flatten(1)
    expected = lamp(torch.cat([weight[:3], weight[3:]], dim=1))
    torch.testing.assert_close(score(CRITERION, network, [], torch.Generator())["2"], expected)
