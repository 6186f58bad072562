"""MobileNetV2 (Sandler et al., CVPR 2018, table 2) for small pictures: torchvision's, with two strides of one."""

from typing import Any

from torch import nn

from prunebench import Model, Training
from prunebench.models._common import Width, check_size
from prunebench.models._torchvision_init import RULES, initialise

SMALLEST = 8
STAGES = [  # expansion, units, blocks, stride of the first block; for ImageNet, 2 in the second stage
    [1, 16, 1, 1],
    [6, 24, 2, 1],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


def mobilenetv2(channels: int, size: int, classes: int, *, width: Width = 1.0) -> nn.Module:
    """Build MobileNetV2 with stride 1 in the first convolution and the second stage: 32 pixels end as 4 x 4.

    The strides are those of kuangliu/pytorch-cifar. As in the paper, no shortcut stands where the shape changes.
    (batch, channels, size, size) -> (batch, classes). The names in the state dict are torchvision's.

    width: factor of all widths, which are rounded to multiples of 8. Raises `UserError` below 8 pixels.

    >>> sum(p.numel() for p in mobilenetv2(3, 32, 10).parameters())
    2236682
    """
    from torchvision.models import MobileNetV2  # here, since the import takes a second

    check_size("mobilenetv2", size, SMALLEST)
    model: nn.Module = MobileNetV2(num_classes=classes, width_mult=width, inverted_residual_setting=STAGES, dropout=0.0)
    stem: Any = model.get_submodule("features.0.0")
    first = nn.Conv2d(channels, stem.out_channels, 3, padding=1, bias=False)
    RULES["mobilenetv2"].draw(first)
    model.set_submodule("features.0.0", first)
    return model


MODEL = Model(
    mobilenetv2,
    initialise=initialise,
    training=Training(epochs=100, batch=128, rate=0.1, weight_decay=5e-4),
    reference="Sandler, Howard, Zhu, Zhmoginov, Chen, CVPR 2018, table 2; strides for small pictures",
)
