import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import DenseNet

from prunebench.models.densenet import DENSENET40, DENSENET100_BC
from prunebench.plugins.model import Model
from prunebench.pruning.analysis import analyse


def by_hand(depth: int, compressed: bool, k: int = 12) -> tuple[int, int]:
    """Parameters and MACs at 32 pixels and ten classes, layer by layer from section 3 of the paper."""
    maps = 2 * k if compressed else 16
    parameters, macs = 27 * maps, 27 * maps * 32**2
    for block, side in enumerate((32, 16, 8)):
        if block:
            after = maps // 2 if compressed else maps
            parameters += 2 * maps + maps * after
            macs += maps * after * (2 * side) ** 2
            maps = after
        for _ in range((depth - 4) // (6 if compressed else 3)):
            norms = 2 * maps + 8 * k if compressed else 2 * maps
            weights = maps * 4 * k + 9 * 4 * k * k if compressed else 9 * maps * k
            parameters, macs = parameters + norms + weights, macs + weights * side**2
            maps += k
    return parameters + 2 * maps + 10 * maps + 10, macs + 10 * maps


@pytest.mark.parametrize(
    ("model", "compressed", "parameters"),
    [(DENSENET40, False, 1_019_722), (DENSENET100_BC, True, 769_162)],  # 1.0 M and 0.8 M in the paper's table 2
    ids=lambda given: getattr(given, "name", None),
)
def test_published_size(model: Model, compressed: bool, parameters: int) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = model(3, 32, 10)
        network(torch.zeros(1, 3, 32, 32))
    found = sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2
    assert found == by_hand(100 if compressed else 40, compressed)
    assert found[0] == parameters


def test_outputs_of_the_bc_form_are_torchvisions() -> None:
    torch.manual_seed(0)
    network = DENSENET100_BC.with_options({"growth": "4"})(3, 16, 10).double().eval()
    other = DenseNet(growth_rate=4, block_config=(16, 16, 16), num_init_features=8, num_classes=10)
    for name in ("norm0", "relu0", "pool0"):
        other.features.set_submodule(name, nn.Identity())
    other.features.set_submodule("conv0", nn.Conv2d(3, 8, 3, padding=1, bias=False))
    other.double().eval().load_state_dict(
        dict(zip(other.state_dict(), network.state_dict().values(), strict=True))  # the layers are in the same order
    )
    pictures = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(pictures), other(pictures))


@pytest.mark.parametrize(
    ("model", "groups"), [(DENSENET40, 39), (DENSENET100_BC, 99)], ids=lambda given: getattr(given, "name", None)
)
def test_its_units_can_be_removed(model: Model, groups: int) -> None:
    network = model.with_options({"growth": "2"})(1, 8, 3)
    table = analyse(network, torch.zeros(2, 1, 8, 8))
    assert len(table.groups) == groups  # every convolution: none is tied to another
