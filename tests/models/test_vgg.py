import pytest
import torch
from torch import nn

from prunebench.models import vgg
from prunebench.plugins.model import Model

MEMBERS = {m.name: m for m in vars(vgg).values() if isinstance(m, Model)}


def test_members() -> None:
    assert sorted(MEMBERS) == sorted(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn"))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [  # of kuangliu/pytorch-cifar and, without the BatchNorms, less two for each of their channels
        ("vgg11_bn", 9_231_114),
        ("vgg11", 9_231_114 - 2 * 2_752),
        ("vgg13_bn", 9_416_010),
        ("vgg16_bn", 14_728_266),
        ("vgg16", 14_728_266 - 2 * 4_224),
        ("vgg19_bn", 20_040_522),
    ],
)
def test_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in MEMBERS[name](3, 32, 10).parameters()) == parameters


@pytest.mark.parametrize(("size", "pools"), [(8, 3), (15, 3), (28, 4), (32, 5), (64, 5)])
def test_a_pool_that_would_leave_nothing_is_left_out(size: int, pools: int) -> None:
    network = MEMBERS["vgg11_bn"].with_options({"width": "0.05"})(1, size, 3)
    assert sum(isinstance(m, nn.MaxPool2d) for m in network.modules()) == pools
    assert network(torch.zeros(2, 1, size, size)).shape == (2, 3)


def test_width() -> None:
    network = MEMBERS["vgg16"].with_options({"width": "0.5"})(3, 32, 10)
    widths = [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert widths == [32] * 2 + [64] * 2 + [128] * 3 + [256] * 6


def test_initial_weights_keep_the_signal_without_batchnorm() -> None:
    torch.manual_seed(0)
    model = MEMBERS["vgg19"].with_options({"width": "0.25"})
    network = model(1, 8, 10)
    features = network.get_submodule("features")
    assert isinstance(features, nn.Sequential)

    @torch.no_grad()
    def gain() -> float:
        maps = features(torch.randn(32, 1, 8, 8))
        return float(maps.square().mean())

    assert 1e-2 < gain() < 1e3  # drawn for the whole window, eight layers at one pixel make it 9^-8
    model.reset(network)
    assert 1e-2 < gain() < 1e3
