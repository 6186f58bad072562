import time

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import densenet121, mobilenet_v2, vgg11_bn, vgg16

from prunebench.models.lenet5 import lenet5
from prunebench.models.resnet import RESNET20
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import CostModel, costs, count
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove


def prepare(model: nn.Module, size: int, channels: int = 3) -> tuple[Network, CostModel]:
    table = analyse(model, torch.zeros(1, channels, size, size), check=False)
    return Network.dense(model.eval(), table), costs(model, table)


def test_lenet5_by_hand() -> None:
    network, model = prepare(lenet5(1, 28, 10), 28, channels=1)
    macs = 24 * 24 * 20 * 25 + 64 * 50 * 20 * 25 + 500 * 800 + 10 * 500
    params = 20 * 26 + 50 * (500 + 1) + 500 * 801 + 10 * 501
    expected = {"macs": macs, "params": params, "units": 570, "bytes": 4 * params}
    assert count(network).model_dump() == model.dense.model_dump() == expected
    assert model.weight_counts == {"conv1": 20 * 25, "conv2": 50 * 20 * 25, "fc1": 500 * 800, "fc2": 10 * 500}
    assert model.counts == {"conv1": 20, "conv2": 50, "fc1": 500}
    assert model.shares({"conv1": 10, "conv2": 25, "fc1": 250})["units"] == 0.5
    half = model.cost({"conv1": 10, "conv2": 25, "fc1": 250})
    assert half.macs == 24 * 24 * 10 * 25 + 64 * 25 * 10 * 25 + 250 * 400 + 10 * 250
    assert model.widths({"conv1": 10, "conv2": 25, "fc1": 250}) == {
        "conv1": (20, 10),
        "conv2": (50, 25),
        "fc1": (500, 250),
        "fc2": (10, 10),
    }


class Loop(nn.Module):
    """A convolution on a residual stream without anything inside: one group on both of its sides."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.loop, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 2, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        stem = self.stem(pictures)
        return self.last(torch.relu(stem + self.loop(stem))).mean((2, 3))


NETWORKS = {
    "loop": Loop,
    "lenet5": lambda: lenet5(3, 32, 10),
    "resnet20": lambda: RESNET20(3, 32, 10),
    "mobilenet_v2": lambda: mobilenet_v2(weights=None, num_classes=10),
    "densenet121": lambda: densenet121(weights=None, num_classes=10),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_analytic_equals_counted_and_the_flop_counter(name: str) -> None:
    network, model = prepare(NETWORKS[name](), 32)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        network = remove(
            network,
            {g: k[torch.rand(len(k), generator=generator) < 0.3][: len(k) - 1] for g, k in network.kept.items()},
        )
        with FlopCounterMode(display=False) as flops:
            network.model(torch.zeros(1, 3, 32, 32))
        assert model.cost(network.units) == count(network)
        assert 2 * model.cost(network.units).macs == flops.get_total_flops()
        assert model.cost(network.units).params == sum(p.numel() for p in network.model.parameters())


@pytest.mark.parametrize("metric", ["macs", "params", "units", "bytes"])
@pytest.mark.parametrize("name", ["loop", "lenet5", "resnet20"])
def test_saving_is_the_difference_of_one_unit(name: str, metric: str) -> None:
    network, model = prepare(NETWORKS[name](), 32)
    units = {group: number // 2 for group, number in network.units.items()}
    for group, saved in model.saving(units, metric).items():
        fewer = model.cost(units | {group: units[group] - 1})
        assert getattr(model.cost(units), metric) - getattr(fewer, metric) == saved


def test_widths_are_those_of_the_layers() -> None:
    network, model = prepare(nn.Sequential(*vgg11_bn(weights=None, num_classes=3).features, nn.Flatten()), 32)
    network = remove(network, {"0": torch.arange(10), "22": torch.arange(100)})
    counted = {n: m.out_channels for n, m in network.model.named_modules() if isinstance(m, nn.Conv2d)}
    assert {layer: now for layer, (_, now) in model.widths(network.units).items()} == counted


def test_cost_takes_well_under_a_millisecond() -> None:
    network, model = prepare(RESNET20(3, 32, 10), 32)
    start = time.perf_counter()
    for _ in range(100):
        model.cost(network.units)
    assert time.perf_counter() - start < 0.1


@pytest.mark.slow
def test_vgg16_counts_and_resizes_to_the_published_sizes() -> None:
    model = vgg16(weights=None, num_classes=2, init_weights=False)
    network, cost = prepare(model, 224)
    widths = dict(zip(network.units, (22, 29, 48, 39, 66, 62, 61, 64, 53, 61, 59, 46, 30), strict=False))
    assert cost.dense.params == 134_268_738 and cost.dense.macs == 15_466_176_512
    assert cost.cost(network.units | widths).params == 23_109_104
    small = remove(network, {group: torch.arange(width, network.units[group]) for group, width in widths.items()})
    assert sum(p.numel() for p in small.model.parameters()) == 23_109_104
