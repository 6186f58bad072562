"""Modules that work on each channel alone lose units with the layer before them, and the cut network is exact."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

from prunebench.errors import CellError
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.unit_weights import unit_weights
from prunebench.pruning.verification import MIXED
from prunebench.testing.model import check_model
from prunebench.testing.toys import Net
from prunebench.training.gates import Gates

PICTURES = torch.zeros(2, 3, 8, 8)
Norm = Callable[[int], nn.Module]


class Scale(nn.Module):
    """One factor for each channel, as in LayerScale."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((1, channels, 1, 1), 0.5))

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures * self.gamma


class OverChannels(nn.Module):
    """Looks as if it worked on each channel alone, and divides by the mean over channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.weight[:, None, None] * pictures / (1 + pictures.mean(1, keepdim=True).abs())


def chain(norm: Norm, channels: int = 8) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, channels, 3), norm(channels), nn.ReLU(), nn.Conv2d(channels, 6, 3), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(6, 2)),
    )


ALONE: dict[str, tuple[Norm, int]] = {
    "slopes": (nn.PReLU, 8),
    "one slope": (lambda _: nn.PReLU(), 8),
    "instance": (nn.InstanceNorm2d, 8),
    "instance, affine": (lambda n: nn.InstanceNorm2d(n, affine=True, track_running_stats=True), 8),
    "frozen": (FrozenBatchNorm2d, 8),
    "scale": (Scale, 8),
    "group": (lambda n: nn.GroupNorm(4, n), 4),
    "group, no affine": (lambda n: nn.GroupNorm(2, n, affine=False), 2),
}


@pytest.mark.parametrize("kind", ALONE)
def test_units_pass_modules_that_work_on_each_channel_alone(kind: str) -> None:
    norm, units = ALONE[kind]
    model = chain(norm)
    assert [(group.name, group.units) for group in analyse(model, PICTURES).groups] == [("0", units), ("3", 6)]
    assert check_model(model, PICTURES) == []


def test_the_tensors_of_such_modules_are_cut_by_hand() -> None:
    model = chain(FrozenBatchNorm2d)
    model[1].running_mean.copy_(torch.arange(8.0))
    small = remove(Network.dense(model, analyse(model, PICTURES)), {"0": torch.tensor([0, 3])}).model
    assert small[1].running_mean.tolist() == [1, 2, 4, 5, 6, 7] and model[1].running_mean.numel() == 8
    norm = chain(lambda n: nn.GroupNorm(4, n))
    small = remove(Network.dense(norm, analyse(norm, PICTURES)), {"0": torch.tensor([1])}).model
    assert (small[1].num_groups, small[1].num_channels, small[0].out_channels) == (3, 6, 6)


def test_a_module_that_only_seems_to_work_on_each_channel_keeps_the_units() -> None:
    assert analyse(chain(OverChannels), PICTURES).fixed == {"0": MIXED}


def test_one_slope_may_serve_several_layers_but_slopes_may_not() -> None:
    def build(slopes: int) -> nn.Module:
        layers = {"a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(8, 8, 1), "c": nn.Conv2d(8, 6, 1), "last": nn.Linear(6, 2)}
        act = nn.PReLU(slopes)
        return Net(lambda net, x: net.last(net.c(net.act(net.b(net.act(net.a(x))))).mean((2, 3))), act=act, **layers)

    assert [group.name for group in analyse(build(1), PICTURES).groups] == ["a", "b", "c"]
    table = analyse(build(8), PICTURES)
    assert [group.name for group in table.groups] == ["c"]
    assert table.fixed["a"] == "'act', which is used 2 times in a forward pass; make one layer for each use"


class Joining(nn.Module):
    """Reads two inputs, and has one entry for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, stream: Tensor, branch: Tensor) -> Tensor:
        return stream + self.gamma * branch


class Holding(nn.Module):
    """One factor, and a normalisation without tensors."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale, self.norm = nn.Parameter(torch.ones(1)), nn.InstanceNorm2d(channels)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.scale * self.norm(pictures)


def test_modules_of_two_inputs_and_modules_in_modules_are_followed() -> None:
    layers = {"a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(8, 8, 1), "last": nn.Linear(8, 2)}
    model = Net(lambda net, x: net.last(net.join(y := net.a(x), net.b(y)).mean((2, 3))), join=Joining(8), **layers)
    assert [group.producers for group in analyse(model, PICTURES).groups] == [("a", "b")]
    assert check_model(model, PICTURES) == []
    assert check_model(chain(Holding), PICTURES) == []


def test_one_normalisation_for_two_layers_stays_also_without_tensors() -> None:
    layers = {"a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(8, 8, 1), "c": nn.Conv2d(8, 6, 1), "last": nn.Linear(6, 2)}
    norm = nn.GroupNorm(4, 8, affine=False)
    model = Net(lambda net, x: net.last(net.c(net.norm(net.b(net.norm(net.a(x))))).mean((2, 3))), norm=norm, **layers)
    assert [group.name for group in analyse(model, PICTURES).groups] == ["c"]


def test_a_module_with_two_names_is_saved_and_loaded() -> None:
    act = nn.PReLU()
    layers = {"a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(8, 6, 1), "last": nn.Linear(6, 2)}
    model = Net(lambda net, x: net.last(net.two(net.b(net.one(net.a(x)))).mean((2, 3))), one=act, two=act, **layers)
    assert check_model(model, PICTURES) == []


class Positive(nn.Module):
    """Takes the logarithm of a parameter, which is not finite for most numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((2, 2), 2.0))

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures * self.weight.log().sum()


def test_parameters_that_must_be_positive_keep_their_values_in_the_check() -> None:
    model = nn.Sequential(*chain(nn.PReLU), Positive())
    assert len(analyse(model, PICTURES).groups) == 2


class Residual(nn.Module):
    """A bare factor for each channel at the end of a residual branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.inner = nn.Conv2d(8, 5, 1)
        self.outer = nn.Conv2d(5, 8, 1)
        self.one, self.two = nn.Parameter(torch.zeros(8, 1, 1)), nn.Parameter(torch.ones(5))
        self.register_buffer("three", torch.arange(8.0)[None, :, None, None])
        self.last = nn.Linear(8, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        stem = self.stem(pictures).relu()
        stream = stem + self.one * self.branch(stem)
        inner = self.inner(stream) * self.two.view(1, -1, 1, 1)
        return self.last((self.three * stream + self.outer(inner.relu())).mean((2, 3)))


def test_bare_tensors_with_one_entry_for_each_channel_are_cut() -> None:
    model = Residual()
    table = analyse(model, PICTURES)
    parts = {group.name: {part.layer for part in group.slices} for group in table.groups}
    assert "one" in parts["stem"] and "two" in parts["inner"]
    small = remove(Network.dense(model, table), {"stem": torch.tensor([2]), "inner": torch.tensor([0, 1])})
    assert (small.model.one.shape, small.model.two.shape) == ((7, 1, 1), (3,))
    assert small.model.three.flatten().tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert check_model(model, PICTURES) == []
    weights = [part.layer for part in unit_weights(small, table.group("inner"))]
    assert weights == ["inner", "outer"]


def test_transposed_convolutions_lose_the_units_that_they_read() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.ConvTranspose2d(8, 5, 4, stride=2), nn.ReLU(), nn.Conv2d(5, 6, 3)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)),
    )
    table = analyse(model, PICTURES)
    assert [group.name for group in table.groups] == ["0", "4"]
    small = remove(Network.dense(model, table), {"0": torch.tensor([1])}).model
    assert (small[2].weight.shape, small[2].in_channels) == ((7, 5, 4, 4), 7)
    assert check_model(model, PICTURES) == []


class Gained(nn.Conv2d):
    """A convolution with standardised weights and a gain, as in networks without normalisation."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__(ins, outs, 3, padding=1)
        self.gain = nn.Parameter(torch.zeros(outs, 1, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return nn.functional.conv2d(pictures, self.gain * weight, self.bias, padding=1)


def test_a_gain_of_zero_hides_nothing_from_the_check() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 1), nn.ReLU(), Gained(8, 6), nn.ReLU(), nn.Conv2d(6, 6, 1)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2)),
    )
    table = analyse(model, PICTURES)  # the mean of the weights changes with the inputs that are left
    assert [group.name for group in table.groups] == ["2", "4"] and table.fixed == {"0": MIXED}
    small = remove(Network.dense(model, table), {"2": torch.tensor([0, 4])}).model
    assert small[2].gain.shape == (4, 1, 1, 1)


def test_gates_before_a_normalisation_of_each_picture_are_refused() -> None:
    model = chain(nn.InstanceNorm2d)
    network = Network.dense(model, analyse(model, PICTURES))
    with pytest.raises(CellError, match="gates are not supported before '1'"):
        Gates(1e-3).attach(network, torch.Generator())
