import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from prunebench.models.resnet18 import RESNET18, RESNET34, RESNET50
from prunebench.pruning.analysis import analyse


@pytest.mark.parametrize(
    ("model", "published", "macs"),
    [  # torchvision's number for ImageNet; MACs by hand for the stem, then from the blocks' table
        (RESNET18, 11_689_512, 555_422_720),
        (RESNET34, 21_797_672, 1_159_402_496),
        (RESNET50, 25_557_032, 1_297_829_888),
    ],
    ids=lambda given: getattr(given, "name", None),
)
def test_published_size(model: object, published: int, macs: int) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network: torchvision.models.ResNet = model(3, 32, 10)  # type: ignore[operator]
        network(torch.zeros(1, 3, 32, 32))
    stem, head = (49 - 9) * 3 * 64, 990 * (network.fc.in_features + 1)
    assert sum(p.numel() for p in network.parameters()) == published - stem - head
    assert counter.get_total_flops() == 2 * macs


def test_macs_by_hand() -> None:
    stem, first = 3 * 9 * 64 * 32**2, 4 * 9 * 64**2 * 32**2
    # each later stage has the first one's MACs, but half of them in its strided convolution, and a 1 x 1 shortcut
    shortcut = 64 * 128 * 16**2
    assert stem + first + 3 * (first - first // 8 + shortcut) + 5_120 == 555_422_720


@pytest.mark.parametrize("model", [RESNET18, RESNET50], ids=lambda given: getattr(given, "name", None))
def test_names_and_outputs_are_torchvisions(model: object) -> None:
    torch.manual_seed(0)
    network: torchvision.models.ResNet = model(3, 16, 10)  # type: ignore[operator]
    torch.manual_seed(0)
    other = torchvision.models.get_model("resnet50" if model is RESNET50 else "resnet18", num_classes=10)
    other.conv1, other.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    other.load_state_dict(network.state_dict())
    pictures = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network.double().eval()(pictures), other.double().eval()(pictures))


@pytest.mark.parametrize("model", [RESNET18, RESNET50], ids=lambda given: getattr(given, "name", None))
def test_its_units_can_be_removed(model: object) -> None:
    network: torchvision.models.ResNet = model(1, 8, 3)  # type: ignore[operator]
    table = analyse(network, torch.zeros(2, 1, 8, 8), check=model is RESNET18)
    blocks, inner = (16, 2) if model is RESNET50 else (8, 1)
    assert len(table.groups) == blocks * inner + (5 if model is RESNET50 else 4)  # and the residual streams
    assert table.tail["layer1.0.conv1"] == "layer1.0.relu"
