"""CIFAR ResNets of 6n + 2 layers (He et al., CVPR 2016, section 4.2)."""

from typing import Literal

from torch import Tensor, nn

from prunebench import ChannelPad, Model, Training
from prunebench.models._common import check_size

SMALLEST = 8


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions with BatchNorm, added to a shortcut.

    option_a: where the shape changes, the shortcut has no parameters and pads with zero channels. Otherwise it is a 1 x
    1 convolution with BatchNorm (option B).
    """

    def __init__(self, inputs: int, units: int, stride: int, option_a: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, units, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(units)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(units, units, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(units)
        self.shortcut = _shortcut(inputs, units, stride, option_a)
        self.relu2 = nn.ReLU()

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, inputs, s, s) -> (batch, units, s / stride, s / stride)."""
        inner = self.relu1(self.bn1(self.conv1(pictures)))
        joined: Tensor = self.relu2(self.bn2(self.conv2(inner)) + self.shortcut(pictures))
        return joined


def _shortcut(inputs: int, units: int, stride: int, option_a: bool) -> nn.Module:
    if stride == 1 and inputs == units:
        return nn.Identity()
    if option_a:
        return ChannelPad(inputs, units, stride)
    return nn.Sequential(nn.Conv2d(inputs, units, 1, stride=stride, bias=False), nn.BatchNorm2d(units))


class CifarResnet(nn.Module):
    """A 3 x 3 convolution, three stages of n blocks with 16, 32 and 64 units, global average pool, a linear layer.

    The names in its state dict are those of akamaster/pytorch_resnet_cifar10.

    Args:
        blocks: n, blocks in a stage; the depth is 6n + 2.
        channels, classes: of the pictures, (batch, channels, size, size) -> (batch, classes).
        option_a: parameter-free shortcuts, see `BasicBlock`.
    """

    def __init__(self, blocks: int, channels: int, classes: int, option_a: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(blocks, 16, 16, 1, option_a)
        self.layer2 = _stage(blocks, 16, 32, 2, option_a)
        self.layer3 = _stage(blocks, 32, 64, 2, option_a)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(64, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, channels, size, size) -> (batch, classes)."""
        maps = self.layer3(self.layer2(self.layer1(self.relu(self.bn1(self.conv1(pictures))))))
        scores: Tensor = self.linear(self.flatten(self.pool(maps)))
        return scores


def _stage(blocks: int, inputs: int, units: int, stride: int, option_a: bool) -> nn.Sequential:
    first = BasicBlock(inputs, units, stride, option_a)
    return nn.Sequential(first, *(BasicBlock(units, units, 1, option_a) for _ in range(blocks - 1)))


def initialise(model: nn.Module) -> None:
    """Draw the weights of convolutions and the linear layer for ReLU (He et al., 2015)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)


def _member(depth: int) -> Model:
    name = f"resnet{depth}"

    def build(channels: int, size: int, classes: int, *, shortcut: Literal["A", "B"] = "A") -> nn.Module:
        check_size(name, size, SMALLEST)
        model = CifarResnet((depth - 2) // 6, channels, classes, shortcut == "A")
        initialise(model)
        return model

    return Model(
        build,
        name=name,
        initialise=initialise,
        training=Training(epochs=100, batch=128, rate=0.1, weight_decay=1e-4),
        reference="He, Zhang, Ren, Sun, CVPR 2016, section 4.2; option-A shortcuts by default",
    )


RESNET20, RESNET32, RESNET44 = _member(20), _member(32), _member(44)
RESNET56, RESNET110 = _member(56), _member(110)
