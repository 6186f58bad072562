import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench import verification
from prunebench.errors import UserError
from prunebench.models.lenet5 import lenet5
from prunebench.network import Network
from prunebench.units import analyse
from prunebench.verification import difference, randomised, skeleton, verify


def test_verify_finds_a_wrong_table() -> None:
    model = lenet5(1, 28, 10)
    pictures = torch.zeros(1, 1, 28, 28)
    table = analyse(model, pictures)
    part = next(s for s in table.group("conv2").slices if (s.layer, s.side) == ("fc1", "in"))
    object.__setattr__(part, "index", part.index.roll(1, dims=0))
    with pytest.raises(UserError, match="layer 'conv2'"):
        verify(model, table, pictures)


def test_verify_finds_a_reader_that_the_table_lacks() -> None:
    model = lenet5(1, 28, 10)
    table = analyse(model, torch.zeros(1, 1, 28, 28))
    group = table.group("conv2")
    object.__setattr__(group, "slices", tuple(s for s in group.slices if s.side == "out"))
    with pytest.raises(UserError, match="without some units of layer 'conv2' it fails: RuntimeError"):
        verify(model, table, torch.zeros(1, 1, 28, 28))


class Loud(nn.Sequential):
    """Multiplies its pictures."""

    def forward(self, pictures: Tensor) -> Tensor:
        self.size = pictures.shape
        self.output: Tensor = super().forward(1e9 * pictures)
        return self.output


def test_signals_are_given_a_size_that_rounding_does_not_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = nn.Conv2d(1, 8, 1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8)
    model = Loud(*layers, nn.Flatten(), nn.Linear(8, 2))
    table = analyse(model, torch.zeros(2, 1, 1, 1), check=False)
    made: list[Any] = []
    monkeypatch.setattr(verification, "randomised", lambda *given: made.append(randomised(*given)) or made[-1])
    assert difference(model, table, {}, torch.zeros(2, 1, 1, 1)) == ""
    (network,) = made
    assert 0.01 < network.model.output.abs().max() < 100


@pytest.mark.parametrize("flatten", [False, True])
def test_small_pictures_are_used_where_the_network_takes_them(flatten: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    end = [nn.Flatten(), nn.Linear(4 * 80 * 80, 2)] if flatten else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = Loud(nn.Conv2d(1, 4, 1), *end, *([] if flatten else [nn.Linear(4, 2)]))
    table = analyse(model, torch.zeros(3, 1, 80, 80), check=False)
    made: list[Any] = []
    monkeypatch.setattr(verification, "randomised", lambda *given: made.append(randomised(*given)) or made[-1])
    verify(model, table, torch.zeros(3, 1, 80, 80))
    side = 80 if flatten else 64
    assert made[-1].model.size == (2, 1, side, side)


def test_a_skeleton_has_no_numbers_and_leaves_the_model_alone() -> None:
    model = lenet5(1, 28, 10)
    before = copy.deepcopy(model.state_dict())
    bare = skeleton(model)
    assert {p.device.type for p in bare.parameters()} == {"meta"} and not bare.training and model.training
    assert bare(torch.empty(3, 1, 28, 28, device="meta")).shape == (3, 10)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_random_weights_are_drawn_for_every_layer_and_no_two_rows_are_alike() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(65_537, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    table = analyse(model, torch.zeros(2, 1, 1, 65_537), check=False)
    network: Network = randomised(model, table, torch.device("cpu"))
    weight = network.model.get_parameter("1.weight")
    assert weight.dtype == torch.float64 and weight.std() > 0
    assert network.model.get_parameter("2.weight").min() >= 0.5
