import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.models.lenet5 import lenet5
from prunebench.pruning import verification
from prunebench.pruning.analysis import analyse
from prunebench.pruning.copies import skeleton
from prunebench.pruning.network import Group, Network, Table
from prunebench.pruning.tracing import unsteady
from prunebench.pruning.verification import MIXED, difference, randomised, verify
from prunebench.testing import toys


def test_verify_fixes_a_group_whose_positions_are_wrong() -> None:
    model = lenet5(1, 28, 10)
    pictures = torch.zeros(1, 1, 28, 28)
    table = analyse(model, pictures)
    part = next(s for s in table.group("conv2").slices if (s.layer, s.side) == ("fc1", "in"))
    object.__setattr__(part, "index", part.index.roll(1, dims=0))
    found = verify(model, table, pictures)
    assert [group.name for group in found.groups] == ["conv1", "fc1"]
    assert found.fixed == {"conv2": MIXED} and not table.fixed


def test_verify_fixes_a_group_that_lacks_a_reader() -> None:
    model = lenet5(1, 28, 10)
    table = analyse(model, torch.zeros(1, 1, 28, 28))
    group = table.group("conv2")
    object.__setattr__(group, "slices", tuple(s for s in group.slices if s.side == "out"))
    assert verify(model, table, torch.zeros(1, 1, 28, 28)).fixed == {"conv2": MIXED}


@pytest.mark.parametrize("units", [2, 3, 7, 8, 9, 16, 41])
def test_every_unit_moves_and_the_fewest_stay(units: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(3, units), nn.ReLU(), nn.Linear(units, 2))
    moved: list[Tensor] = []
    left: list[int] = []
    reorder, cut = verification.reorder, verification.remove_in_place

    def record(network: Network, orders: dict[str, Tensor]) -> None:
        moved.append(orders["0"])
        reorder(network, orders)

    def count(network: Network, gone: dict[str, Tensor]) -> Network:
        small = cut(network, gone)
        left.append(small.units["0"])
        return small

    monkeypatch.setattr(verification, "reorder", record)
    monkeypatch.setattr(verification, "remove_in_place", count)
    verify(model, analyse(model, torch.zeros(2, 3), check=False), torch.zeros(2, 3))
    for order in moved:
        assert order.sort().values.equal(torch.arange(units)) and not (order == torch.arange(units)).any()
    fewest, half = max(1, math.ceil(units / 10)), units // 2
    compared = left[:-1]  # the last one is for the pass in training mode
    assert set(compared[1::2]) == {fewest}
    assert set(compared[::2]) == {min(max(half + more, fewest), units) for more in (-1, 0, 1, 2)}


def swapped(units: int, one: int) -> Tensor:
    return torch.arange(units).index_copy(0, torch.tensor([one, one + 1]), torch.tensor([one + 1, one]))


@pytest.mark.parametrize("units", [2, 4, 8, 16])
def test_units_of_narrow_groups_are_told_apart(units: int) -> None:
    model = nn.Sequential(nn.Conv2d(1, units, 1), nn.Conv2d(units, 2, 1), nn.Flatten())
    pictures = torch.zeros(1, 1, 1, 1)
    orders = [torch.arange(units).flip(0), *(torch.arange(units).roll(shift) for shift in (1, -1, units // 2))]
    for order in [*orders, *(swapped(units, one) for one in range(units - 1 if units <= 8 else 0))]:
        table = analyse(model, pictures)
        part = next(s for s in table.groups[0].slices if s.side == "in")
        object.__setattr__(part, "index", part.index[order])
        assert list(verify(model, table, pictures).fixed) == ["0"], order


class Padded(nn.Module):
    """Puts channels before and behind those of a convolution."""

    def __init__(self, units: int, pad: int) -> None:
        super().__init__()
        self.a, self.b, self.pad = nn.Conv2d(1, units, 1), nn.Conv2d(units + 2 * pad, 2, 1), pad

    def forward(self, pictures: Tensor) -> Tensor:
        first = self.a(pictures)
        zeros = torch.zeros_like(pictures).expand(-1, self.pad, -1, -1)
        return self.b(torch.cat([zeros, first, zeros], dim=1)).flatten(1)


@pytest.mark.parametrize("units", [2, 4, 8, 16])
@pytest.mark.parametrize("pad", [1, 4])
def test_shifted_channels_are_found(units: int, pad: int) -> None:
    model, pictures = Padded(units, pad), torch.zeros(1, 1, 1, 1)
    right = nn.Sequential(nn.Conv2d(1, units, 1), nn.Conv2d(units, 2, 1), nn.Flatten())
    slices = [replace(s, layer={"0": "a", "1": "b"}[s.layer]) for s in analyse(right, pictures).groups[0].slices]
    table = Table((Group("a", units, ("a",), tuple(slices)),), {"a": 1, "b": 1})
    assert list(verify(model, table, pictures).fixed) == ["a"]


class Moody(nn.Sequential):
    """Adds noise in eval mode, too."""

    def forward(self, pictures: Tensor) -> Tensor:
        return super().forward(pictures + torch.rand_like(pictures))


class Unclear(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return torch.cat([pictures.log(), pictures])


def test_a_network_that_cannot_be_compared_is_refused() -> None:
    model, pictures = Moody(nn.Conv2d(1, 8, 1), nn.Flatten(), nn.Linear(8, 2)), torch.zeros(2, 1, 1, 1)
    with pytest.raises(
        UserError, match="it cannot be checked in float64: two passes in eval mode differ; give dropout"
    ):
        verify(model, analyse(model, pictures, check=False), pictures)
    inner = nn.Sequential(nn.Conv2d(1, 8, 1), nn.Sequential(nn.ReLU(), Moody()), nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(UserError, match=r"two passes in eval mode differ in '1\.1' \(Moody\); give dropout"):
        verify(inner, analyse(inner, pictures, check=False), pictures)
    steady = nn.Sequential(Unclear(), Moody(nn.Flatten()))  # gives values that are no numbers, the same ones twice
    assert unsteady(steady, torch.tensor([[[[-1.0]]]])) == "1"


def test_a_type_in_the_forward_pass_is_named_with_its_cure() -> None:
    layers = {"a": nn.Conv2d(1, 8, 1), "last": nn.Linear(8, 2)}
    model = toys.Net(lambda net, x: net.last(net.a(x).mean((2, 3)).float()), **layers)
    with pytest.raises(
        UserError, match=r"cannot be checked in float64: it fails: .*; for \.float\(\), write \.to\(x\.dtype\)"
    ):
        analyse(model, torch.zeros(1, 1, 4, 4))


def test_groups_that_fail_together_only_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pictures = lenet5(1, 28, 10), torch.zeros(1, 1, 28, 28)
    table = analyse(model, pictures, check=False)

    def fail(network: Network, steps: list[dict[str, Tensor]], pictures: Tensor) -> Any:
        return verification._Found("it fails" if len(steps[0]) > 2 else "", steps)

    monkeypatch.setattr(verification, "_compare", fail)
    with pytest.raises(UserError, match="removing units of several layers together does not equal setting"):
        verify(model, table, pictures)


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
    monkeypatch.setattr(
        verification, "randomised", lambda *given, **more: made.append(randomised(*given, **more)) or made[-1]
    )
    assert difference(model, table, {}, torch.zeros(2, 1, 1, 1)) == ""
    (network,) = made
    assert 0.01 < network.model.output.abs().max() < 100


@pytest.mark.parametrize("flatten", [False, True])
def test_small_pictures_are_used_where_the_network_takes_them(flatten: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    end = [nn.Flatten(), nn.Linear(4 * 80 * 80, 2)] if flatten else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = Loud(nn.Conv2d(1, 4, 1), *end, *([] if flatten else [nn.Linear(4, 2)]))
    table = analyse(model, torch.zeros(3, 1, 80, 80), check=False)
    made: list[Any] = []
    monkeypatch.setattr(
        verification, "randomised", lambda *given, **more: made.append(randomised(*given, **more)) or made[-1]
    )
    verify(model, table, torch.zeros(3, 1, 80, 80))
    side = 80 if flatten else 64
    assert made[-1].model.size == (2, 1, side, side)


def test_a_batchnorm_may_be_called_twice() -> None:
    def run(net: Any, pictures: Tensor) -> Tensor:
        return net.last(net.norm(net.b(net.norm(net.a(pictures)).relu())).mean((2, 3)).relu())

    norm, last = nn.BatchNorm2d(8), nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    model = toys.Net(run, a=nn.Conv2d(1, 8, 1), b=nn.Conv2d(8, 8, 1), norm=norm, last=last)
    assert [group.name for group in analyse(model, torch.zeros(1, 1, 4, 4)).groups] == ["last.0"]


def test_the_given_size_is_tried_where_small_pictures_tell_nothing() -> None:
    def run(net: Any, pictures: Tensor) -> Tensor:
        return net.last(net.a(pictures).mean((2, 3))) * (pictures.shape[3] > 64)

    model = toys.Net(run, a=nn.Conv2d(1, 8, 1), last=nn.Linear(8, 2))
    assert [group.name for group in analyse(model, torch.zeros(1, 1, 80, 80)).groups] == ["a"]
    with pytest.raises(UserError, match="its output does not depend on its units"):
        analyse(model, torch.zeros(1, 1, 60, 60))


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


@pytest.mark.parametrize(("dead", "units", "times"), [(0, 10, 5), (2, 10, 5), (0, 2000, 1), (2, 2000, 3), (9, 2000, 5)])
def test_a_large_network_is_compared_until_a_signal_is_left(
    dead: int, units: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Tensor] = []

    def compare(network: Network, steps: list[dict[str, Tensor]], pictures: Tensor) -> Any:
        tried.append(steps[-1]["0"])
        masked = torch.ones(2, 1) if len(tried) <= dead else torch.rand(2, 1)
        return verification._Found("", steps, (torch.zeros(2, 1), masked))

    monkeypatch.setattr(verification, "_compare", compare)
    model = nn.Sequential(nn.Linear(500, units), nn.ReLU(), nn.Linear(units, 2))
    verify(model, analyse(model, torch.zeros(2, 500), check=False), torch.zeros(2, 500))
    assert len(tried) == len({tuple(units.tolist()) for units in tried}) == times
