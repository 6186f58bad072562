import pytest
import torch
from torch import nn

from prunebench.errors import UserError
from prunebench.models.vgg16_imagenet import MODEL


@pytest.mark.parametrize(
    ("channels", "classes", "parameters"),
    [(3, 1000, 138_357_544), (3, 2, 134_268_738), (1, 10, 134_268_738 + 8 * 4_097 - 2 * 64 * 9)],
)
def test_parameters(channels: int, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in MODEL(channels, 224, classes).parameters()) == parameters


def test_the_first_layer_takes_the_pictures_channels() -> None:
    with torch.device("meta"):
        network = MODEL(1, 32, 2)
        assert network(torch.zeros(2, 1, 32, 32)).shape == (2, 2)
        first = network.get_submodule("features.0")
    assert isinstance(first, nn.Conv2d)
    assert first.in_channels == 1


def test_too_small() -> None:
    with pytest.raises(UserError, match="vgg16_imagenet needs pictures of at least 32 x 32 pixels, these have 28 x 28"):
        MODEL(3, 28, 2)
