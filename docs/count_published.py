"""Count parameters and MACs of torchvision's networks beside the figures that torchvision publishes.

python docs/count_published.py
"""

import torch
from tabulate import tabulate
from torchvision.models import get_model, get_model_weights

from prunebench.errors import UserError
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import count
from prunebench.pruning.network import Network

NAMES = """
    alexnet vgg11 vgg16 vgg16_bn resnet18 resnet34 resnet50 resnet101 wide_resnet50_2 resnext50_32x4d densenet121
    mobilenet_v2 mobilenet_v3_small mobilenet_v3_large efficientnet_b0 mnasnet1_0 regnet_y_400mf squeezenet1_1
    shufflenet_v2_x1_0 convnext_tiny
"""
HEADER = ("network", "parameters, published", "here", "10^9 MACs, published", "here")


def row(name: str) -> tuple[str, ...]:
    """Give one network's published and counted figures. One that cannot be pruned is not counted."""
    weights = get_model_weights(name)["IMAGENET1K_V1"]
    size = weights.transforms().crop_size[0]
    published = f"{weights.meta['num_params']:,}", f"{weights.meta['_ops']:.3f}"
    model, picture = get_model(name, weights=None).eval(), torch.zeros(1, 3, size, size)
    try:
        cost = count(Network.dense(model, analyse(model, picture, check=False)))
    except UserError:
        return f"`{name}`", published[0], "refused", published[1], "refused"
    return f"`{name}`", published[0], f"{cost.params:,}", published[1], f"{cost.macs / 1e9:.3f}"


if __name__ == "__main__":
    print(tabulate([row(name) for name in NAMES.split()], HEADER, "github", disable_numparse=True))
