"""Every classification CNN of torchvision.models: `torchvision:resnet50`, `torchvision:vgg16,weights=DEFAULT`."""

from torch import nn

from prunebench import Model, Training, UserError, unknown
from prunebench.models._torchvision import names, network
from prunebench.models._torchvision_init import initialise

TRANSFORMERS = ("vit_", "swin_", "maxvit_")


def build(name: str, channels: int, size: int, classes: int, *, weights: str = "") -> nn.Module:
    """Build torchvision's network of that name, (batch, channels, size, size) -> (batch, classes).

    weights: the name of published ImageNet weights, such as IMAGENET1K_V1 or DEFAULT; empty for fresh weights. Raises
    `UserError` for unknown names, transformers, pictures that are too small and weights that cannot be loaded.

    >>> with __import__("torch").device("meta"):
    ...     sum(p.numel() for p in build("resnet50", 3, 224, 1000).parameters())
    25557032
    """
    if name.startswith(TRANSFORMERS):
        cure = "give timm:NAME or a function of your own that builds it, as its MLPs can be pruned"
        raise UserError(f"torchvision:{name} is a transformer, but only CNNs are built here; {cure}")
    if name not in (known := names()):
        raise unknown("network", name, known, where="torchvision")
    return network(name, channels, size, classes, weights=weights, label=f"torchvision:{name}")


MODEL = Model(
    build,
    name="torchvision",
    takes_argument="NAME",
    initialise=initialise,
    training=Training(epochs=30, batch=64, rate=0.01, weight_decay=1e-4),
    reference="torchvision.models, all classification CNNs; weights as its documentation lists them",
)
