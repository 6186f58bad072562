"""VGG for small pictures (Simonyan & Zisserman, ICLR 2015), with one linear classifier as is usual for CIFAR."""

import math
from typing import Literal

from torch import Tensor, nn

from prunebench import Model, Training
from prunebench.models._common import Width, check_size

Depth = Literal[11, 13, 16, 19]
STAGES: dict[Depth, tuple[int, ...]] = {
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
WIDTHS = (64, 128, 256, 512, 512)
SMALLEST = 8


class Vgg(nn.Module):
    """3 x 3 convolutions in five stages with a 2 x 2 max-pool after each, global average pool, one linear layer.

    A pool is left out where one pixel remains: pictures of 8 pixels are pooled three times, of 28 pixels four times.

    Args:
        depth: 11, 13, 16 or 19: the number of layers of the original.
        norm: BatchNorm after every convolution.
        channels, size, classes: of the pictures, (batch, channels, size, size) -> (batch, classes).
        width: factor of the convolutions' widths 64 128 256 512 512.
    """

    def __init__(self, depth: Depth, norm: bool, channels: int, size: int, classes: int, *, width: float) -> None:
        super().__init__()
        self.size = size
        layers: list[nn.Module] = []
        for convolutions, full in zip(STAGES[depth], WIDTHS, strict=True):
            units = max(1, round(full * width))
            for _ in range(convolutions):
                layers += [
                    nn.Conv2d(channels, units, 3, padding=1),
                    *([nn.BatchNorm2d(units)] if norm else []),
                    nn.ReLU(),
                ]
                channels = units
            if size >= 2:
                layers.append(nn.MaxPool2d(2))
                size //= 2
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, channels, size, size) -> (batch, classes)."""
        scores: Tensor = self.classifier(self.flatten(self.pool(self.features(pictures))))
        return scores


def initialise(model: nn.Module) -> None:
    """Draw weights that keep the variance through ReLU (He et al., 2015), with fan_in counted inside the picture.

    Small pictures end at one pixel, where eight ninths of a 3 x 3 window are padding. Weights drawn for nine pixels
    would shrink the signal to a third in every layer, and a network without BatchNorm would stay at chance.
    """
    size = model.size if isinstance(model, Vgg) else 224
    for module in model.modules():
        if isinstance(module, nn.MaxPool2d):
            size //= 2
        elif isinstance(module, nn.Conv2d):
            inside = module.in_channels * (3 - 2 / size) ** 2
            nn.init.normal_(module.weight, 0.0, math.sqrt(2 / inside))
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, math.sqrt(1 / module.in_features))
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def _member(depth: Depth, norm: bool) -> Model:
    name = f"vgg{depth}{'_bn' if norm else ''}"

    def build(channels: int, size: int, classes: int, *, width: Width = 1.0) -> nn.Module:
        check_size(name, size, SMALLEST)
        model = Vgg(depth, norm, channels, size, classes, width=width)
        initialise(model)
        return model

    return Model(
        build,
        name=name,
        initialise=initialise,
        training=Training(epochs=60, batch=128, rate=0.05 if norm else 0.02, weight_decay=5e-4),
        reference="Simonyan & Zisserman, ICLR 2015; for CIFAR as in Liu et al., ICCV 2017 (one linear layer)",
    )


VGG11, VGG11_BN = _member(11, False), _member(11, True)
VGG13, VGG13_BN = _member(13, False), _member(13, True)
VGG16, VGG16_BN = _member(16, False), _member(16, True)
VGG19, VGG19_BN = _member(19, False), _member(19, True)
