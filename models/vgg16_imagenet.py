"""VGG16 as for ImageNet (Simonyan & Zisserman, ICLR 2015), with torchvision's 4096-4096 classifier."""

from torch import nn

from prunebench import Model, Training
from prunebench.models._torchvision import network
from prunebench.models._torchvision_init import initialise

HEAD = ("classifier",)


def vgg16_imagenet(channels: int, size: int, classes: int, *, weights: str = "") -> nn.Module:
    """Build torchvision's VGG16, for pictures of 224 pixels and other sizes from 32.

    (batch, channels, size, size) -> (batch, classes). The names in the state dict are torchvision's.

    weights: IMAGENET1K_V1 or DEFAULT for the published ones; empty for fresh ones. The published 4096-4096-1000
    classifier is kept for 1,000 classes and three channels only; otherwise all three of its layers are fresh. Raises
    `UserError` below 32 pixels, where the fifth pool would leave nothing, and for weights that cannot be loaded.

    >>> with __import__("torch").device("meta"):
    ...     sum(p.numel() for p in vgg16_imagenet(3, 224, 2).parameters())
    134268738
    """
    return network("vgg16", channels, size, classes, weights=weights, label="vgg16_imagenet", head=HEAD)


MODEL = Model(
    vgg16_imagenet,
    initialise=initialise,
    training=Training(epochs=15, batch=32, rate=0.01, weight_decay=5e-4),
    reference="Simonyan & Zisserman, ICLR 2015, configuration D",
    head=HEAD,
)
