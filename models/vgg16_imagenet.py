"""VGG16 as for ImageNet (Simonyan & Zisserman, ICLR 2015), with its 4096-4096 classifier: torchvision's."""

from torch import nn

from prunebench.errors import UserError
from prunebench.model import Model, Training


def initialise(model: nn.Module) -> None:
    """Draw weights as torchvision does: convolutions for ReLU (He et al., 2015), linear layers narrow."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def vgg16_imagenet(channels: int, size: int, classes: int) -> nn.Module:
    """Build torchvision's VGG16 without pretrained weights, for pictures of 224 pixels and other sizes from 32.

    (batch, channels, size, size) -> (batch, classes). The names in its state dict are torchvision's.
    Raises `UserError` below 32 pixels, where the fifth pool would leave nothing.

    >>> with __import__("torch").device("meta"):
    ...     sum(p.numel() for p in vgg16_imagenet(3, 224, 2).parameters())
    134268738
    """
    from torchvision.models import vgg16  # here, as it takes a second

    if size < 32:
        raise UserError(f"vgg16_imagenet needs pictures of at least 32 x 32 pixels, these have {size} x {size}")
    model: nn.Module = vgg16(weights=None, num_classes=classes)
    if channels != 3:
        first = nn.Conv2d(channels, 64, 3, padding=1)
        initialise(first)
        model.set_submodule("features.0", first)
    return model


MODEL = Model(
    vgg16_imagenet,
    initialise=initialise,
    training=Training(epochs=15, batch=32, rate=0.01, weight_decay=5e-4),
    reference="Simonyan & Zisserman, ICLR 2015, configuration D",
)
