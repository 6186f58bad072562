import copy
import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2, regnet_x_400mf, resnet18, shufflenet_v2_x0_5, squeezenet1_1
from torchvision.ops import FrozenBatchNorm2d

from prunebench.errors import UserError
from prunebench.models.lenet5 import lenet5
from prunebench.models.resnet import RESNET20
from prunebench.pruning.analysis import analyse, resize
from prunebench.pruning.copies import deep_copy
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove, remove_in_place, reorder, zero_units
from prunebench.testing import toys


class Dense(nn.Module):
    """Concatenations, a BatchNorm over several groups, a depthwise convolution and a flattened picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm0 = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.grow, self.norm1 = nn.Conv2d(6, 4, 3, padding=1), nn.BatchNorm2d(10)
        self.depth = nn.Conv2d(10, 10, 3, groups=10)
        self.first, self.last = nn.Linear(10 * 36, 7), nn.Linear(7, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        stem = torch.tanh(self.norm0(self.stem(pictures)))
        joined = self.norm1(torch.cat([stem, self.grow(stem).sigmoid()], dim=1))
        return self.last(torch.sigmoid(self.first(self.depth(joined).flatten(1))))


NETWORKS = {
    "lenet5": (lambda: lenet5(3, 28, 4), 28),
    "resnet20": (lambda: RESNET20(3, 16, 4), 16),
    "resnet20_b": (lambda: RESNET20.with_options({"shortcut": "B"})(3, 16, 4), 16),
    "dense": (Dense, 8),
    "mobilenet_v2": (lambda: mobilenet_v2(weights=None, num_classes=4), 32),
    "resnet18": (lambda: resnet18(weights=None, num_classes=4), 32),
    "squeezenet": (lambda: squeezenet1_1(weights=None, num_classes=4), 33),
}


def dense(name: str) -> tuple[Network, Tensor]:
    """Build a float64 network whose BatchNorm statistics and scales are not the trivial ones, with pictures."""
    build, size = NETWORKS[name]
    torch.manual_seed(0)
    model = build()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.3, 0.3)
            layer.running_var.uniform_(0.5, 2)
            nn.init.uniform_(layer.weight, -1, 1)
            nn.init.uniform_(layer.bias, -1, 1)
    pictures = torch.randn(2, 3, size, size, dtype=torch.float64)
    table = analyse(model, pictures.float(), check=False)
    return Network.dense(model.double().eval(), table), pictures


def some(network: Network, generator: torch.Generator, share: float = 0.3) -> dict[str, Tensor]:
    return {
        group: kept[torch.randperm(len(kept), generator=generator)[: min(len(kept) - 1, round(share * len(kept)))]]
        for group, kept in network.kept.items()
    }


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
def test_removed_equals_masked_three_times_over(name: str) -> None:
    network, pictures = dense(name)
    masked = Network.dense(copy.deepcopy(network.model), network.table)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        units = some(network, generator)
        zero_units(masked, units)  # on the dense network all the time: original numbers stay valid
        network = remove(network, units)
        small, full = network.model(pictures), masked.model(pictures)
        assert full.std() > 0
        assert (small - full).abs().max() <= 1e-12 * full.abs().max()


SHUFFLED = NETWORKS | {
    "grouped convolutions": (lambda: regnet_x_400mf(weights=None, num_classes=4), 32),
    "channels in turn": (lambda: shufflenet_v2_x0_5(weights=None, num_classes=4), 32),
}


@pytest.mark.parametrize("name", SHUFFLED)
def test_units_in_another_order_compute_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS, name, SHUFFLED[name])
    network, pictures = dense(name)
    draws = torch.Generator().manual_seed(1)
    for step in (network, remove(network, some(network, draws))):
        before = copy.deepcopy(step.model.state_dict())
        expected = step.model(pictures)
        reorder(step, {group: torch.randperm(units, generator=draws) for group, units in step.units.items()})
        torch.testing.assert_close(step.model(pictures), expected, rtol=1e-9, atol=1e-12)
        moved = [key for key, value in step.model.state_dict().items() if not torch.equal(value, before[key])]
        assert {f"{layer}.weight" for group in step.table.groups for layer in group.producers} <= set(moved)


def test_a_buffer_of_two_modules_is_put_in_order_once() -> None:
    first, second = FrozenBatchNorm2d(4), FrozenBatchNorm2d(4)
    second.running_mean = first.running_mean = torch.arange(4.0)
    model = nn.Sequential(nn.Conv2d(1, 4, 1), first, nn.ReLU(), second, nn.Flatten(), nn.Linear(4, 2)).eval()
    table = analyse(model, torch.zeros(1, 1, 1, 1))
    assert [group.name for group in table.groups] == ["0"]
    reorder(Network.dense(model, table), {"0": torch.tensor([3, 0, 1, 2])})
    assert first.running_mean.tolist() == second.running_mean.tolist() == [3, 0, 1, 2]


def test_order_by_hand() -> None:
    network = toys.chain((3, 2, 2))
    first, second = (network.model.get_parameter(f"{layer}.weight").clone() for layer in ("0", "2"))
    reorder(network, {"0": torch.tensor([2, 0, 1])})
    assert torch.equal(network.model.get_parameter("0.weight"), first[[2, 0, 1]])
    assert torch.equal(network.model.get_parameter("2.weight"), second[:, [2, 0, 1]])
    assert network.kept["0"].tolist() == [0, 1, 2]


def test_a_group_alone_is_cut_from_layers_that_others_share() -> None:
    network, pictures = dense("dense")
    for group in network.units:
        masked = Network.dense(copy.deepcopy(network.model), network.table)
        zero_units(masked, units := {group: torch.tensor([1, 2])})
        expected = masked.model(pictures)
        torch.testing.assert_close(remove(network, units).model(pictures), expected, rtol=1e-12, atol=1e-12)


def test_mask_sets_the_units_and_their_readers_to_zero_and_nothing_else() -> None:
    network, _ = dense("lenet5")
    before = copy.deepcopy(network.model.state_dict())
    zero_units(network, {"conv2": torch.tensor([3, 7])})
    for key, tensor in network.model.state_dict().items():
        expected = before[key].clone()
        if key.startswith("conv2."):
            expected[[3, 7]] = 0
        if key == "fc1.weight":
            expected.view(500, 50, 16)[:, [3, 7]] = 0
        assert torch.equal(tensor, expected), key


def test_remove_slices_by_hand() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(6, 1))
    model[1].running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
    model[3].weight.data = torch.arange(6.0).view(1, 6)
    network = Network.dense(model, analyse(model, torch.zeros(1, 1, 1, 2)))
    network.gates = {"0": torch.tensor([10.0, 20.0, 30.0])}
    small = remove(network, {"0": torch.tensor([1])})
    conv, norm, _, linear = small.model
    assert (conv.out_channels, norm.num_features, linear.in_features) == (2, 2, 4)
    assert torch.equal(conv.weight, model[0].weight[[0, 2]]) and torch.equal(conv.bias, model[0].bias[[0, 2]])
    assert norm.running_mean.tolist() == [1.0, 3.0]
    assert linear.weight.tolist() == [[0.0, 1.0, 4.0, 5.0]]
    assert small.kept["0"].tolist() == [0, 2] and small.gates["0"].tolist() == [10.0, 30.0]
    last = remove(small, {"0": torch.tensor([0])})
    assert last.model[3].weight.tolist() == [[4.0, 5.0]] and last.kept["0"].tolist() == [2]
    assert network.units == {"0": 3} and model[0].out_channels == 3  # the given ones are as they were


def test_mode_gradients_dtype_and_memory_format_stay() -> None:
    model = mobilenet_v2(weights=None, num_classes=3).to(torch.float64, memory_format=torch.channels_last)
    model.features[0][0].weight.requires_grad_(False)
    model.features[3].eval()
    network = Network.dense(model, analyse(model, torch.zeros(1, 3, 32, 32, dtype=torch.float64), check=False))
    small = remove(network, some(network, torch.Generator().manual_seed(0)))
    assert [m.training for m in small.model.modules()] == [m.training for m in model.modules()]
    assert [p.requires_grad for p in small.model.parameters()] == [p.requires_grad for p in model.parameters()]
    assert {p.dtype for p in small.model.parameters()} == {torch.float64}
    moved = copy.deepcopy(small.model).to(memory_format=torch.contiguous_format).to(memory_format=torch.channels_last)
    assert [p.stride() for p in small.model.parameters()] == [p.stride() for p in moved.parameters()]
    depthwise = small.layer("features.2.conv.1.0")
    assert depthwise.groups == depthwise.in_channels == depthwise.out_channels == small.units["features.2.conv.0.0"]


def test_depthwise_down_to_one_unit_and_on() -> None:
    layers = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1, groups=4), nn.Conv2d(4, 3, 1), nn.Conv2d(3, 2, 1)
    model = nn.Sequential(*layers, nn.Flatten())
    network = Network.dense(model.eval(), analyse(model, torch.zeros(1, 1, 2, 2)))
    network = remove(remove(network, {"0": torch.tensor([0, 1, 3])}), {"2": torch.tensor([1])})
    assert network.model(torch.zeros(1, 1, 2, 2)).shape == (1, 8)


def test_wrong_units_are_refused() -> None:
    network, _ = dense("lenet5")
    network = remove(network, {"conv1": torch.tensor([4])})
    with pytest.raises(ValueError, match="some of the units"):
        remove(network, {"conv1": torch.tensor([4])})
    with pytest.raises(ValueError, match="all 19 units"):
        remove(network, {"conv1": network.kept["conv1"]})
    with pytest.raises(UserError, match="unknown group 'fc9'"):
        zero_units(network, {"fc9": torch.tensor([0])})


def test_resize_keeps_the_first_units() -> None:
    model = RESNET20(3, 16, 4)
    small = resize(model, {"layer1.1.conv2": 5, "conv1": 5, "layer3.0.conv1": 7}, torch.zeros(1, 3, 16, 16))
    assert torch.equal(small.get_submodule("conv1").weight, model.conv1.weight[:5])
    assert small.get_submodule("layer3.0.conv2").weight.shape == (64, 7, 3, 3)
    assert small(torch.zeros(1, 3, 16, 16)).shape == (1, 4) and model.conv1.out_channels == 16


BAD_WIDTHS = [
    (
        {"conv1": 5, "layer1.1.conv2": 6},
        "width 6 of 'layer1.1.conv2' contradicts width 5 of its group 'conv1'; give one width for each",
    ),
    ({"conv1": 17}, "width 17 of 'conv1' must be a whole number between 1 and 16"),
    ({"conv1": 3.5}, "width 3.5 of 'conv1' must be a whole number between 1 and 16"),
    ({"conv1": 0}, "width 0 of 'conv1'"),
    ({"linear": 3}, "unknown layer with removable units 'linear'"),
]


@pytest.mark.parametrize(("widths", "message"), BAD_WIDTHS)
def test_bad_widths_are_refused(widths: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resize(RESNET20(3, 16, 4), widths, torch.zeros(1, 3, 16, 16))


def test_a_layer_that_keeps_its_units_has_no_width() -> None:
    layers = {"a": nn.Conv2d(1, 8, 1), "b": nn.Conv2d(8, 4, 1), "last": nn.Linear(4, 2)}
    model = toys.Net(lambda net, x: net.last(net.b(net.a(x).cumsum(1)).mean((2, 3))), **layers)
    with pytest.raises(
        UserError, match=r"'a' keeps its units because of an operation that mixes units .*; give no width"
    ):
        resize(model, {"a": 4}, torch.zeros(1, 1, 2, 2))


def test_in_place_a_network_is_cut_itself() -> None:
    (network, pictures), gone = dense("resnet20"), {"conv1": torch.tensor([0, 3])}
    expected = remove(network, gone)
    found = remove_in_place(network, gone)
    assert found.model is network.model and found.units == expected.units
    assert torch.equal(found.model(pictures), expected.model(pictures))


class Odd(nn.Module):
    """Holds what modules may: shared lists and containers, a module that is not registered, one under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = self.same = nn.Linear(2, 2)
        self.shared: list[object] = [1, [2]]
        self.empty: dict[str, int] = {}
        self.holds = (self.shared, self.empty, 3)
        self.hidden = [nn.ReLU(), self.layer]


class Noted(nn.ReLU):
    """Says itself what of it is copied."""

    def __init__(self) -> None:
        super().__init__()
        self.note = "kept"

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in vars(self).items() if name != "note"}

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self.note = "made anew"


class Counted(nn.ReLU):
    def __deepcopy__(self, memo: dict[int, object]) -> "Counted":
        memo[id(self)] = made = Counted(inplace=True)
        return made


class Dropping(nn.Module):
    """Leaves a child out, and reads another one while it is copied."""

    def __init__(self) -> None:
        super().__init__()
        self.kept, self.inner = nn.Linear(2, 2), nn.Sequential(nn.ReLU())
        self.inner.lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        modules = {name: child for name, child in self._modules.items() if name != "inner"}
        return vars(self) | {"_modules": modules, "width": self.kept.in_features}


class Named(nn.ReLU):
    def __hash__(self) -> int:
        return hash(self.inplace)


def keyed() -> nn.Module:
    model = nn.Sequential(Named())
    model.notes = {model[0]: 1}
    return model


class Listed(nn.Module, list[int]):
    __hash__ = nn.Module.__hash__


def compiled() -> nn.Module:
    inside = torch.compile(nn.Linear(2, 2))
    assert isinstance(inside, nn.Module)
    return inside


@pytest.mark.parametrize("more", [nn.BatchNorm2d, Noted, Counted, Dropping, keyed, Listed, compiled])
def test_a_deep_copy_is_that_of_the_library(more: Callable[..., nn.Module]) -> None:
    model = nn.Sequential(Odd(), nn.Conv2d(1, 2, 3), more(*[2][: more is nn.BatchNorm2d])).eval()
    if isinstance(last := model[2], Listed):
        last.append(3)
    mine, theirs = deep_copy(model, {}), copy.deepcopy(model)
    for one in (mine, theirs):
        odd = one[0]
        assert odd.layer is odd.same is odd.hidden[1] is not model[0].layer
        assert odd.holds == ([1, [2]], {}, 3) and odd.holds[0] is odd.shared and odd.holds[1] is odd.empty
        assert odd.shared[1] is not model[0].shared[1] and odd.empty is not model[0].empty
        assert getattr(one[2], "note", "made anew") == "made anew" and not odd.training
        assert not isinstance(one[2], Listed) or one[2] == [3]
    for one, other in zip(mine.modules(), theirs.modules(), strict=True):
        assert type(one) is type(other) and vars(one).keys() == vars(other).keys()
        assert getattr(one, "inplace", None) == getattr(other, "inplace", None)
    for (name, tensor), (_, given) in zip(mine.state_dict().items(), model.state_dict().items(), strict=True):
        assert torch.equal(tensor, given) and tensor.data_ptr() != given.data_ptr(), name


def test_a_deep_copy_takes_what_the_memo_has() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    stays = model[0].weight
    twin = deep_copy(model, {id(stays): stays})
    assert twin[0].weight is stays and twin[1].weight is not model[1].weight
