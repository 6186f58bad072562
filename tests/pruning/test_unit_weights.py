"""Weights of units: compared with what `zero_units` sets to zero."""

import pytest
import torch
from torch import nn

from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove, zero_units
from prunebench.pruning.unit_weights import own_parameters, unit_weights
from prunebench.testing import toys


def squares(network: Network) -> float:
    """Sum of squares of all weights, without biases."""
    return sum(float(p.detach().square().sum()) for n, p in network.model.named_parameters() if n.endswith("weight"))


@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise", "grouped"])
@pytest.mark.parametrize("pruned", [False, True])
def test_the_sums_are_what_masking_a_unit_takes_away(toy: str, pruned: bool) -> None:
    def make() -> Network:
        network = toys.TOYS[toy]()
        return remove(network, {g.name: torch.tensor([0]) for g in network.table.groups}) if pruned else network

    network = make()
    for group in network.table.groups:
        pieces = unit_weights(network, group)
        sums = torch.stack([piece.sums(torch.square) for piece in pieces]).sum(dim=0)
        for number, unit in enumerate(network.kept[group.name].tolist()):
            masked = make()
            zero_units(masked, {group.name: torch.tensor([unit])})
            twice = 0.0  # what a layer of the group reads from itself is an output and an input of the unit
            if toy == "residual":
                twice = float(network.layer("conv").get_parameter("weight")[number, number].detach().square().sum())
            gone = squares(network) - squares(masked) + twice
            assert float(sums[number].detach()) == pytest.approx(gone, rel=1e-9)


def test_sums_have_a_gradient_and_any_function_will_do() -> None:
    network = toys.chain()
    piece = next(p for p in unit_weights(network, network.table.group("2")) if (p.layer, p.side) == ("6", "in"))
    assert piece.index.shape == (4, 4)  # a flattened map: four positions of each unit
    linear = network.layer("6")
    assert isinstance(linear, nn.Linear)
    expected = linear.weight.detach().abs().sum(dim=0).view(4, 4).sum(dim=1)
    torch.testing.assert_close(piece.sums(torch.abs).detach(), expected)
    (gradient,) = torch.autograd.grad(piece.sums(torch.abs)[1], linear.weight)
    assert gradient.abs().sum(dim=0).view(4, 4).sum(dim=1).tolist() == [0, 32, 0, 0]


@pytest.mark.parametrize("toy", ["depthwise", "grouped"])
def test_own_parameters_are_those_whose_mask_silences_the_unit_itself(toy: str) -> None:
    """Of a unit that is written in several places, all of them count: groups, and the depthwise layer behind."""
    for group in toys.TOYS[toy]().table.groups:
        network = toys.TOYS[toy]()
        for parameter in network.model.parameters():
            parameter.data.fill_(1.0)
        writers = {part.layer for part in group.slices if part.side == "out"}
        zero_units(network, {group.name: torch.tensor([0])})
        gone = [p for name, p in network.model.named_parameters() if name.rpartition(".")[0] in writers]
        assert own_parameters(network, group) == sum(int((p == 0).sum()) for p in gone)
