"""SynFlow against products of absolute matrices, its conservation law and the authors' procedure on a changed copy."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from prunebench.criteria.synflow import CRITERION, synflow
from prunebench.models.resnet import RESNET20
from prunebench.pruning.layers import ChannelPad
from prunebench.scoring.score import score
from prunebench.testing import toys

NOTHING = torch.Generator()


def test_of_linear_layers_it_is_what_comes_in_times_what_goes_on() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(5, 4, bias=False), nn.ReLU(), nn.Linear(4, 6, bias=False), nn.ReLU()))
    net.append(nn.Linear(6, 3, bias=False)).double()
    first, second, third = (np.abs(weight.detach().numpy()) for weight in net.parameters())
    scores = synflow(net, [(torch.randn(2, 5), torch.zeros(2))], NOTHING)
    after_first, after_second = first @ np.ones(5), second @ first @ np.ones(5)
    np.testing.assert_allclose(scores["0"], after_first * (np.ones(3) @ third @ second), rtol=1e-12)
    np.testing.assert_allclose(scores["2"], after_second * (np.ones(3) @ third), rtol=1e-12)
    np.testing.assert_allclose(scores["4"], third @ after_second, rtol=1e-12)


def test_the_scores_of_every_layer_add_up_to_the_same_flow() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(2, 5, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(5, 5, 3, groups=5, bias=False), nn.ReLU(), nn.Conv2d(5, 7, 1, bias=False)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 3, bias=False)),
    )
    scores = synflow(net, [(torch.randn(2, 2, 10, 10), torch.zeros(2))], NOTHING)
    absolute = copy.deepcopy(net).double()
    for parameter in absolute.parameters():
        parameter.data.abs_()
    flow = float(absolute(torch.ones(1, 2, 10, 10, dtype=torch.float64)).detach().sum())
    assert [float(values.sum()) for values in scores.values()] == pytest.approx([flow] * 4, rel=1e-12)


@pytest.mark.parametrize("toy", toys.TOYS)
def test_it_is_the_authors_procedure(toy: str) -> None:
    network = toys.TOYS[toy]()
    changed = copy.deepcopy(network.model).eval()
    for value in changed.state_dict().values():
        value.abs_()
    for module in changed.modules():
        if isinstance(module, nn.ReLU6):
            module.max_val = math.inf  # the only departure: clips would stop the flow
    changed(torch.ones(1, *toys.PICTURE, dtype=torch.float64)).sum().backward()
    given = score(CRITERION, network, toys.batches(), NOTHING)
    for group in network.table.groups:
        expected = torch.zeros(group.units, dtype=torch.float64)
        for layer in group.producers:
            weight = changed.get_submodule(layer).get_parameter("weight")
            assert weight.grad is not None
            each = (weight.grad * weight).detach().abs().flatten(1).sum(1)
            expected += each[network.positions(group, layer)].sum(1)
        torch.testing.assert_close(given[group.name], expected, rtol=1e-10, atol=1e-15)


def test_the_data_do_not_matter() -> None:
    network = toys.chain()
    pictures, labels = toys.batches()[0]
    first, second = (score(CRITERION, network, [(p, labels)], NOTHING)["2"] for p in (pictures, -pictures))
    assert torch.equal(first, second)


def test_numbers_that_are_not_weights_stay_what_they_are() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), ChannelPad(2, 4, 1), nn.Flatten(), nn.Linear(4, 1, bias=False))
    nn.init.ones_(net.get_parameter("0.weight"))
    net[3].weight.data = torch.tensor([[10.0, 1.0, 2.0, 100.0]])  # the shortcut leaves the outer channels zero
    assert synflow(net, [(torch.ones(1, 1, 1, 1), torch.zeros(1))], NOTHING)["0"].tolist() == [1.0, 2.0]


def test_a_deep_network_in_single_precision_does_not_overflow() -> None:
    model = RESNET20.build(3, 32, 10)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(100)
    scores = synflow(model.eval(), [(torch.zeros(1, 3, 32, 32), torch.zeros(1))], NOTHING)
    assert all(bool(values.isfinite().all()) for values in scores.values())
    assert max(float(values.max()) for values in scores.values()) > torch.finfo(torch.float32).max


def test_a_clipped_nonlinearity_lets_the_flow_through() -> None:
    def net(nonlinearity: nn.Module) -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(20, 8), nonlinearity, nn.Linear(8, 3))

    batches, draws = [(torch.zeros(1, 20), torch.zeros(1))], torch.Generator()
    clipped = net(nn.ReLU6())
    with torch.no_grad():
        for parameter in clipped.parameters():
            parameter.mul_(10)
    plain = net(nn.ReLU())
    plain.load_state_dict(clipped.state_dict())
    found, wanted = synflow(clipped, batches, draws), synflow(plain, batches, draws)
    for name, scores in wanted.items():
        torch.testing.assert_close(found[name], scores)
        assert scores.min() > 0
    assert clipped[1].max_val == 6  # type: ignore[index,union-attr]
