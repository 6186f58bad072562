"""Pictures that are too small and options out of range, for every family of our own."""

import pytest
import torch

from prunebench.errors import UserError
from prunebench.plugins.registry import get_model, load_registry


@pytest.mark.parametrize(
    ("name", "size", "least"),
    [
        ("densenet40", 4, 8),
        ("lenet5", 3, 4),
        ("mobilenetv2", 7, 8),
        ("resnet20", 4, 8),
        ("resnet34", 4, 8),
        ("vgg11", 7, 8),
        ("vgg16_imagenet", 28, 32),
    ],
)
def test_too_small(name: str, size: int, least: int) -> None:
    message = f"{name} needs pictures of at least {least} x {least} pixels, these have {size} x {size}"
    with torch.device("meta"), pytest.raises(UserError, match=message):
        get_model(name, load_registry(()))(3, size, 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("densenet40:growth=0", "option growth=0 of 'densenet40' must be at least 1"),
        ("mobilenetv2:width=9", "option width=9 of 'mobilenetv2' must be at most 8"),
        ("resnet20:shortcut=C", "unknown shortcut 'C' in 'resnet20'"),
        ("vgg11:width=0", "option width=0 of 'vgg11' must be more than 0"),
        ("vgg11:width=nan", "option width=nan"),
    ],
)
def test_options_out_of_range(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        get_model(text, load_registry(()))
