"""DenseNets for CIFAR (Huang et al., CVPR 2017, section 3): DenseNet-40 and DenseNet-BC-100."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from prunebench import Model, Training
from prunebench.models._common import check_size

SMALLEST = 8


class Layer(nn.Module):
    """BatchNorm, ReLU and a 3 x 3 convolution, whose `growth` feature maps are appended to the input.

    bottleneck: begin with BatchNorm, ReLU and a 1 x 1 convolution to four times `growth` maps.
    """

    def __init__(self, inputs: int, growth: int, bottleneck: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if bottleneck:
            layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), nn.Conv2d(inputs, 4 * growth, 1, bias=False)]
            inputs = 4 * growth
        layers += [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True), nn.Conv2d(inputs, growth, 3, padding=1, bias=False)]
        self.new = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, inputs, s, s) -> (batch, inputs + growth, s, s)."""
        return torch.cat((maps, self.new(maps)), 1)


class Densenet(nn.Module):
    """A 3 x 3 convolution and three dense blocks, with a 1 x 1 convolution and a 2 x 2 average pool between blocks.

    Args:
        depth: number of convolutions and linear layers.
        growth: feature maps that a layer adds, k.
        compressed: the BC form: bottlenecks, half the maps between blocks, and 2k maps at first in place of 16.
        channels, classes: of the pictures, (batch, channels, size, size) -> (batch, classes).
    """

    def __init__(self, depth: int, growth: int, compressed: bool, channels: int, classes: int) -> None:
        super().__init__()
        units = 2 * growth if compressed else 16
        layers: list[nn.Module] = [nn.Conv2d(channels, units, 3, padding=1, bias=False)]
        for block in range(3):
            if block:
                after = units // 2 if compressed else units
                layers += [nn.BatchNorm2d(units), nn.ReLU(inplace=True), nn.Conv2d(units, after, 1, bias=False)]
                layers.append(nn.AvgPool2d(2))
                units = after
            for _ in range((depth - 4) // (6 if compressed else 3)):
                layers.append(Layer(units, growth, compressed))
                units += growth
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(units), nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(units, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, channels, size, size) -> (batch, classes)."""
        scores: Tensor = self.classifier(self.flatten(self.pool(self.features(pictures))))
        return scores


def initialise(model: nn.Module) -> None:
    """Draw the weights of convolutions for ReLU (He et al., 2015), as the paper does."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def _member(depth: int, compressed: bool) -> Model:
    name = f"densenet{depth}{'_bc' if compressed else ''}"

    def build(channels: int, size: int, classes: int, *, growth: Annotated[int, Field(ge=1, le=256)] = 12) -> nn.Module:
        check_size(name, size, SMALLEST)
        model = Densenet(depth, growth, compressed, channels, classes)
        initialise(model)
        return model

    return Model(
        build,
        name=name,
        initialise=initialise,
        training=Training(epochs=80, batch=64, rate=0.1, weight_decay=1e-4),
        reference="Huang, Liu, van der Maaten, Weinberger, CVPR 2017, section 3 and table 2; without dropout",
    )


DENSENET40, DENSENET100_BC = _member(40, False), _member(100, True)
