"""ResNet-18, -34 and -50 (He et al., CVPR 2016, table 1) in the form usual for CIFAR: a 3 x 3 stem, no max-pool."""

import torch
from torch import nn

from prunebench import Model, Training
from prunebench.models._common import check_size
from prunebench.models._torchvision_init import initialise

SMALLEST = 8


def _member(depth: int) -> Model:
    name = f"resnet{depth}"

    def build(channels: int, size: int, classes: int) -> nn.Module:
        from torchvision import models  # here, since the import takes a second

        check_size(name, size, SMALLEST)
        with torch.random.fork_rng([]):  # weights are drawn below, in the order of the layers
            model: nn.Module = models.get_model(name, weights=None, num_classes=classes)
            model.set_submodule("conv1", nn.Conv2d(channels, 64, 3, padding=1, bias=False))
            model.set_submodule("maxpool", nn.Identity())
        member.reset(model)
        return model

    member = Model(
        build,
        name=name,
        initialise=initialise,
        training=Training(epochs=100, batch=128, rate=0.1, weight_decay=5e-4),
        reference="He, Zhang, Ren, Sun, CVPR 2016, table 1; 3 x 3 stem without max-pool as is usual for CIFAR",
    )
    return member


RESNET18, RESNET34, RESNET50 = _member(18), _member(34), _member(50)
