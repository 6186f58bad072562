"""VGG16 of which filters alone are pruned, as in both papers: the two hidden linear layers keep their 4,096 units."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from prunebench.models.vgg16_imagenet import MODEL as VGG16, vgg16_imagenet


class KeptReLU(nn.ReLU):
    """ReLU behind a split of the units, beyond which no removal is followed: the layer before it keeps them all."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, units) -> (batch, units)."""
        return super().forward(torch.cat(hidden.chunk(2, dim=1), dim=1))


def vgg16_filters(channels: int, size: int, classes: int, *, weights: str = "") -> nn.Module:
    """Build torchvision's VGG16. weights: as in `vgg16_imagenet`.

    (batch, channels, size, size) -> (batch, classes).
    """
    model = vgg16_imagenet(channels, size, classes, weights=weights)
    for number in (1, 4):
        model.set_submodule(f"classifier.{number}", KeptReLU())
    return model


MODEL = replace(VGG16, build=vgg16_filters, name="vgg16_filters")
