"""One small member of every torchvision family of classification CNNs; `prunebench models` checks published ones."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models as tv
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig
from torchvision.models.regnet import BlockParams
from torchvision.models.resnet import BasicBlock, Bottleneck

from prunebench.models.lenet5 import lenet5
from prunebench.models.resnet import RESNET20
from prunebench.pruning.cost import count
from prunebench.pruning.network import Network
from prunebench.study.networks import save
from prunebench.testing import model as model_check
from prunebench.testing.model import check_model, model_table

CLASSES = 5


def vgg_bn() -> nn.Module:
    model = tv.vgg11_bn(num_classes=CLASSES, init_weights=False)
    model.features = nn.Sequential(*model.features[:8], nn.Conv2d(128, 512, 1))
    model.classifier = nn.Sequential(nn.Linear(512 * 49, 8), nn.ReLU(True), nn.Dropout(), nn.Linear(8, CLASSES))
    return model


def alexnet() -> nn.Module:
    model = tv.alexnet(num_classes=CLASSES)
    model.classifier = nn.Sequential(nn.Dropout(), nn.Linear(256 * 36, 8), nn.ReLU(True), nn.Linear(8, CLASSES))
    return model


def efficientnet() -> nn.Module:
    blocks = [FusedMBConvConfig(4, 3, 2, 8, 16, 2), MBConvConfig(4, 3, 2, 16, 24, 2)]
    return tv.EfficientNet(blocks, dropout=0.1, last_channel=32, num_classes=CLASSES)


def regnet(se: float | None) -> nn.Module:
    blocks = BlockParams.from_init_params(depth=4, w_0=16, w_a=8.0, w_m=2.0, group_width=8, se_ratio=se)
    return tv.RegNet(blocks, num_classes=CLASSES, stem_width=8)


SMALL: dict[str, Callable[[], nn.Module]] = {
    "vgg_bn": vgg_bn,
    "alexnet": alexnet,
    "resnet": lambda: tv.ResNet(BasicBlock, [1, 2, 1, 1], num_classes=CLASSES),
    "wide_resnet": lambda: tv.ResNet(Bottleneck, [1, 1, 1, 1], num_classes=CLASSES, width_per_group=16),
    "resnext": lambda: tv.ResNet(Bottleneck, [1, 1, 1, 1], num_classes=CLASSES, groups=4, width_per_group=8),
    "densenet": lambda: tv.DenseNet(4, (2, 2), 8, num_classes=CLASSES),
    "mobilenet_v2": lambda: tv.mobilenet_v2(num_classes=CLASSES, width_mult=0.25),
    "mobilenet_v3": lambda: tv.mobilenet_v3_small(num_classes=CLASSES, width_mult=0.25),
    "efficientnet": efficientnet,
    "squeezenet": lambda: tv.squeezenet1_1(num_classes=CLASSES),
    "regnet_x": lambda: regnet(None),
    "regnet_y": lambda: regnet(0.25),
    "mnasnet": lambda: tv.MNASNet(0.2, num_classes=CLASSES),
    "shufflenet": lambda: tv.ShuffleNetV2([1, 2, 1], [8, 16, 32, 64, 64], num_classes=CLASSES),
    "convnext": lambda: tv.ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 2)], num_classes=CLASSES),
    "resnet20": lambda: RESNET20(3, 32, CLASSES),
}


@pytest.mark.parametrize("name", SMALL)
def test_every_family_is_pruned_exactly(name: str) -> None:
    size = 64 if name == "alexnet" else 32
    assert check_model(SMALL[name](), torch.zeros(2, 3, size, size), CLASSES) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("googlenet", 32), ("inception_v3", 80)])
def test_families_of_one_size_are_pruned_exactly(name: str, size: int) -> None:
    model = tv.get_model(name, weights=None, num_classes=CLASSES, aux_logits=False, init_weights=False)
    assert check_model(model, torch.zeros(2, 3, size, size), CLASSES) == []


def saved_too_early(network: Network, folder: Path) -> None:
    save(network, folder)
    with torch.no_grad():
        network.model.get_parameter("conv1.weight").add_(1)


WRONG = [
    ("save", saved_too_early, "mine: at keep macs=0.5: the loaded network differs from the saved one"),
    ("count", lambda network: count(network).model_copy(update={"macs": 7}), " computed, 7 counted, "),
    ("difference", lambda model, table, units, pictures: "it fails", "mine: at keep macs=0.25: it fails"),
    ("remove", lambda network, units: network, "mine: at keep macs=0.5: the network has 1.000 of the MACs left"),
]


@pytest.mark.parametrize(("name", "wrong", "message"), WRONG)
def test_what_is_wrong_is_said(name: str, wrong: object, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_check, name, wrong)
    assert message in "\n".join(check_model(RESNET20(3, 16, 4), torch.zeros(2, 3, 16, 16), 4, "mine"))


def test_a_refused_model_gives_its_reason() -> None:
    (line,) = check_model(RESNET20(3, 16, 4), torch.zeros(2, 3, 16, 16), 7, "mine")
    told = "mine cannot be pruned: its output has 4 classes, the data have 7; build it for 7"
    assert line == f"{told}, or give data of 4 classes alone, with labels from 0 to 3"


def test_the_table_says_what_is_pruned() -> None:
    def flat(channels: int, size: int, classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * size**2, classes))

    text, found = model_table([("lenet5", lenet5), ("flat", flat)], sizes=(28,), channels=1, classes=10)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    # lenet5 at 28: all but the last layer's 10 x 501 of 431,080 parameters and 5,000 of 2,293,000 MACs
    assert rows[2][:8] == ["lenet5", "yes", "28", "3", "570", "0.0 %", "98.8 %", "99.8 %"]
    least = (24 * 24 * 2 * 25 + 64 * 5 * 2 * 25 + 50 * 80 + 10 * 50) / 2_293_000
    assert rows[2][8:] == [f"{100 * least:.1f} %", ""]
    assert rows[3] == ["flat", "refused", *[""] * 7, "it has no layer whose units could be removed"]
    assert found == {"yes", "refused"}
    assert "refused" in model_table([("flat", flat)], sizes=(28,), channels=1, kind="simple")[0]


def test_the_first_size_that_a_model_takes_is_used() -> None:
    def large(channels: int, size: int, classes: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(channels, 8, 10), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))

    assert "| large   | yes      | 12        |" in model_table([("large", large)], sizes=(8, 12, 28))[0]
    assert "it fails in eval mode on pictures of 3 x 9 x 9 pixels" in model_table([("large", large)], sizes=(8, 9))[0]


def test_layers_that_keep_their_units_are_in_the_table() -> None:
    text, _ = model_table([("convnext", lambda *_: SMALL["convnext"]())], sizes=(32,), classes=CLASSES)
    assert "'features.0.0' and 'features.1.0.block.5' keep their units because of 'features.0.1' (LayerNorm2d)" in text
    assert "more reasons" not in text


def test_layers_that_the_check_fixed_are_no_problem() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1), nn.GLU(1), nn.Conv2d(4, 4, 1), nn.Flatten(), nn.Linear(64, 2)
    )
    assert check_model(model, torch.zeros(2, 3, 4, 4)) == []
