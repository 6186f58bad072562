"""MACs against numbers worked by hand: what is no plain convolution or linear layer is counted, too."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.errors import UserError
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import costs, count
from prunebench.pruning.network import Network
from prunebench.pruning.operations import _draws
from prunebench.pruning.removal import remove
from prunebench.testing.toys import Net

PICTURES = torch.zeros(2, 3, 4, 4)  # 16 pixels


def attention(net: nn.Module, x: Tensor) -> Tensor:
    """Attention between positions: two products of 16 x 16 x units."""
    first = net.a(x).relu()
    weights = (net.q(first).flatten(2).mT @ net.k(first).flatten(2)).sigmoid()
    return net.last((first + (net.v(first).flatten(2) @ weights).view_as(first)).mean((2, 3)))


def between_channels(net: nn.Module, x: Tensor) -> Tensor:
    """Products of channels: units x units x 16, twice."""
    flat = net.a(x).relu().flatten(2)
    return net.last((flat @ flat.mT @ flat).mean(2))


def layers(*names: str, units: int = 8) -> dict[str, nn.Module]:
    parts = {name: nn.Conv2d(units, units, 1) for name in names}
    return {"a": nn.Conv2d(3, units, 1), **parts, "last": nn.Linear(units, 2)}


BY_HAND: dict[str, tuple[nn.Module, Callable[[int], int]]] = {
    "attention": (Net(attention, **layers("q", "k", "v")), lambda a: 16 * (3 * a + 3 * a * a) + 2 * a + 2 * 256 * a),
    "between channels": (Net(between_channels, **layers()), lambda a: 16 * 3 * a + 2 * a + 2 * 16 * a * a),
}


@pytest.mark.parametrize("kind", BY_HAND)
def test_matrix_products_follow_from_the_widths(kind: str) -> None:
    model, by_hand = BY_HAND[kind]
    table = analyse(model, PICTURES)
    cost = costs(model, table)
    for a in (8, 5, 1):
        assert cost.cost({"a": a}).macs == by_hand(a)
        assert count(remove(Network.dense(model, table), {"a": torch.arange(a, 8)})).macs == by_hand(a)
    assert cost.saving({"a": 4}, "macs")["a"] == by_hand(4) - by_hand(3)


@pytest.mark.parametrize("units", [2, 3, 4, 5, 7])
def test_narrow_groups_by_hand(units: int) -> None:
    cost = costs(model := Net(between_channels, **layers(units=units)), analyse(model, PICTURES))
    for a in range(1, units + 1):
        assert cost.cost({"a": a}).macs == 16 * 3 * a + 2 * a + 2 * 16 * a * a


@pytest.mark.parametrize(("wide", "narrow"), [(8, 6), (2, 3), (3, 2), (5, 4)])
def test_products_of_the_widths_of_two_groups_by_hand(wide: int, narrow: int) -> None:
    def run(net: nn.Module, x: Tensor) -> Tensor:
        return net.last((net.up(net.a(x).relu()) + net.b(F.interpolate(x, scale_factor=2))).relu().mean((2, 3)))

    up = nn.ConvTranspose2d(wide, narrow, 2, stride=2)
    model = Net(run, a=nn.Conv2d(3, wide, 1), up=up, b=nn.Conv2d(3, narrow, 1), last=nn.Linear(narrow, 2))
    cost = costs(model, analyse(model, PICTURES))
    for a, b in product(range(1, wide + 1), range(1, narrow + 1)):
        macs = 16 * 3 * a + 16 * 4 * a * b + 64 * 3 * b + 2 * b
        assert cost.cost({"a": a, "b": b}).macs == macs
        assert cost.cost({"a": a, "b": b}).params == 4 * a + (4 * a + 1) * b + 4 * b + 2 * b + 2


def test_work_that_does_not_depend_on_the_widths_is_a_constant() -> None:
    def blurred(net: nn.Module, x: Tensor) -> Tensor:
        return net.last(net.a(F.conv2d(x, x.new_ones(3, 1, 3, 3), groups=3)).mean((2, 3)))

    table = analyse(Net(blurred, **layers()), PICTURES)
    assert table.macs({}) == 4 * 27 and not table.macs.linear


def test_transposed_convolutions_by_hand() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 1), nn.ConvTranspose2d(8, 5, 2, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(5, 2),
    )
    cost = costs(model, analyse(model, PICTURES))
    assert cost.dense.macs == 16 * 3 * 8 + 16 * 8 * 5 * 4 + 10
    assert cost.cost({"0": 3}).macs == 16 * 3 * 3 + 16 * 3 * 5 * 4 + 10
    assert cost.cost({"0": 3}).params == 3 * 4 + 3 * 5 * 4 + 5 + 12


def test_a_convolution_along_the_channels_by_hand() -> None:
    along = nn.Conv1d(1, 1, 3, padding=1, bias=False)
    parts = {"a": nn.Conv2d(3, 8, 1), "c": nn.Conv2d(8, 6, 1), "along": along, "last": nn.Linear(6, 2)}

    def run(net: nn.Module, x: Tensor) -> Tensor:
        first = net.a(x)
        gate = net.along(first.mean((2, 3))[:, None])[:, 0, :, None, None]
        return net.last(net.c(first * gate.sigmoid()).mean((2, 3)))

    model = Net(run, **parts)
    assert costs(model, analyse(model, PICTURES)).dense.macs == 16 * 24 + 8 * 3 + 16 * 48 + 12


def test_products_with_vectors_and_fused_attention_by_hand() -> None:
    def run(net: nn.Module, x: Tensor) -> Tensor:
        weight, vector = x.new_ones(5, 4), x.new_ones(4)
        factor = torch.addmv(x.new_ones(5), weight, vector).sum() + weight.mv(vector).sum() + vector.dot(vector)
        keys = x.flatten(2)[:, None]
        kept = F.scaled_dot_product_attention(keys, keys, keys).sum()
        return net.last(net.a(x * float(factor)).relu().mean((2, 3)) + 0 * kept)  # looks at its numbers

    table = analyse(Net(run, **layers()), PICTURES)
    assert table.macs({}) == 20 + 20 + 4 + 2 * 3 * 3 * 16


def test_analyses_in_threads_leave_fused_attention_on() -> None:
    def run(net: nn.Module, x: Tensor) -> Tensor:
        keys = x.flatten(2)[:, None]
        kept = F.scaled_dot_product_attention(keys, keys, keys).sum()
        return net.last(net.a(x * float(x.sum() + 1)).relu().mean((2, 3)) + 0 * kept)

    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda _: analyse(Net(run, **layers()), PICTURES), range(16)))
    assert torch.backends.cuda.flash_sdp_enabled()
    assert [[group.name for group in table.groups] for table in tables] == [["a"]] * 16


def test_operations_without_a_formula_are_refused_by_name() -> None:
    def run(net: nn.Module, x: Tensor) -> Tensor:
        return net.last(net.a(torch.fft.fft2(x).abs()).mean((2, 3)))

    with pytest.raises(UserError, match=r"the MACs of fft_[rc]2c are uncounted: torch has no formula for them"):
        analyse(Net(run, **layers()), PICTURES)


def test_numbers_that_are_no_polynomial_of_the_widths_are_refused() -> None:
    def run(net: nn.Module, x: Tensor) -> Tensor:
        flat = net.a(x).relu().flatten(2)
        square = x.new_ones(1 << len(flat[0]), 3) @ x.new_ones(3, 1)
        return net.last(flat.mean(2) * square.mean())

    with pytest.raises(UserError, match=r"its MACs are uncounted: those of .*'mm'.* do not follow from the numbers"):
        analyse(Net(run, **layers()), PICTURES)


def test_work_that_one_smaller_network_does_not_show_is_found_by_the_second() -> None:
    narrow, narrower = (draw["a"] for draw in _draws({"a": 8}))
    assert narrow != narrower

    def run(net: nn.Module, x: Tensor) -> Tensor:
        flat = net.a(x).relu().mean((2, 3))
        rows = 5 if flat.shape[1] == narrower else 4
        return net.last(flat * (x.new_ones(rows, 3) @ x.new_ones(3, 1)).mean())

    with pytest.raises(UserError, match="its MACs are uncounted"):
        analyse(Net(run, **layers()), PICTURES)
