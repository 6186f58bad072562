import pytest
import torch

from prunebench.models.lenet5 import MODEL


def test_parameters_at_28_pixels_are_caffes() -> None:
    network = MODEL(1, 28, 10)
    # 20 (25 + 1) + 50 (20 x 25 + 1) + 500 (50 x 16 + 1) + 10 (500 + 1)
    assert sum(p.numel() for p in network.parameters()) == 520 + 25_050 + 400_500 + 5_010 == 431_080


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (1, 8), (3, 32), (1, 4), (1, 15), (1, 16), (3, 64)])
def test_output_shape(channels: int, size: int) -> None:
    assert MODEL(channels, size, 7)(torch.zeros(2, channels, size, size)).shape == (2, 7)


def test_small_pictures_keep_every_layer() -> None:
    network = MODEL(1, 8, 10)
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")}
    assert shapes == {
        "conv1.weight": (20, 1, 5, 5),
        "conv2.weight": (50, 20, 5, 5),
        "fc1.weight": (500, 200),
        "fc2.weight": (10, 500),
    }


@pytest.mark.parametrize(("size", "inputs"), [(32, 50 * 25), (16, 50), (15, 50 * 9)])
def test_padding_begins_below_16_pixels(size: int, inputs: int) -> None:
    assert MODEL(1, size, 10).get_submodule("fc1").weight.shape == (500, inputs)
