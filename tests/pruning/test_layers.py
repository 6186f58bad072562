from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prunebench.pruning.layers import ChannelPad, DepthwiseInFloat64


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(16, 32, 2), (3, 5, 1), (4, 4, 2)])
def test_equals_slicing_and_padding(inputs: int, outputs: int, stride: int) -> None:
    pictures = torch.randn(2, inputs, 9, 9)
    before = (outputs - inputs) // 2
    expected = F.pad(pictures[:, :, ::stride, ::stride], (0, 0, 0, 0, before, outputs - inputs - before))
    assert torch.equal(ChannelPad(inputs, outputs, stride)(pictures), expected)


def test_gradient_reaches_the_kept_pixels_only() -> None:
    pictures = torch.randn(1, 2, 4, 4, requires_grad=True)
    ChannelPad(2, 4)(pictures).sum().backward()
    expected = torch.zeros(1, 2, 4, 4)
    expected[:, :, ::2, ::2] = 1
    assert torch.equal(pictures.grad, expected)


def test_index_and_scale_decide_every_channel() -> None:
    pad = ChannelPad(2, 4, stride=1)
    pad.index.copy_(torch.tensor([1, -1, 1, 0]))
    pad.scale.copy_(torch.tensor([1.0, 5.0, 2.0, 0.5]))
    assert pad(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)).flatten().tolist() == [4.0, 0.0, 8.0, 1.5]


def test_channels_last_gives_the_same() -> None:
    pictures = torch.randn(2, 4, 6, 6)
    pad = ChannelPad(4, 8)
    assert torch.equal(pad(pictures.contiguous(memory_format=torch.channels_last)), pad(pictures))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same() -> None:
    pictures = torch.randn(2, 4, 6, 6)
    assert torch.equal(ChannelPad(4, 8).cuda()(pictures.cuda()).cpu(), ChannelPad(4, 8)(pictures))


@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"padding": (2, 1), "dilation": (1, 2)}, {"bias": False}])
def test_depthwise_convolutions_in_float64_are_those_of_torch(options: dict[str, Any]) -> None:
    kernel, pictures = (3, 2), torch.randn(2, 6, 9, 8, dtype=torch.float64)
    layer = nn.Conv2d(6, 6, kernel, groups=6, **options).double()
    with DepthwiseInFloat64():
        found = layer(pictures)
    torch.testing.assert_close(found, layer(pictures), rtol=1e-14, atol=1e-14)
    assert found.grad_fn is not None and "Convolution" not in found.grad_fn.name()


ODD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "numbers": lambda x, w: F.conv2d(x, w, None, 1, (1, 1), 1, 6),
    "one number each": lambda x, w: F.conv2d(x, w, None, (1,), (1,), (1,), 6),
    "by name": lambda x, w: F.conv2d(x, w, groups=6),
    "no batch": lambda x, w: F.conv2d(x[0], w, None, (1, 1), (1, 1), (1, 1), 6),
    "padding by name": lambda x, w: F.conv2d(x, w, None, (1, 1), "same", (1, 1), 6),
}


@pytest.mark.parametrize("kind", ODD)
def test_convolutions_called_in_another_way_are_left_to_torch(kind: str) -> None:
    pictures, weight = torch.randn(2, 6, 9, 8, dtype=torch.float64), torch.randn(6, 1, 3, 3, dtype=torch.float64)
    with DepthwiseInFloat64():
        assert torch.equal(ODD[kind](pictures, weight), ODD[kind](pictures, weight))


PICTURES = torch.zeros(1, 6, 9, 8, dtype=torch.float64)
REFUSED = [
    (PICTURES[:, :, :2], None, (0, 0), "Kernel size"),
    (PICTURES.float(), None, (0, 0), "should be the same|type"),
    (PICTURES, torch.zeros(1, dtype=torch.float64), (0, 0), "bias"),
    (PICTURES, None, (-1, 0), "negative padding"),
]


@pytest.mark.parametrize(("pictures", "bias", "padding", "message"), REFUSED)
def test_what_torch_refuses_is_refused(pictures: Tensor, bias: Tensor | None, padding: Any, message: str) -> None:
    weight = torch.zeros(6, 1, 3, 3, dtype=torch.float64)
    with DepthwiseInFloat64(), pytest.raises(RuntimeError, match=message):
        F.conv2d(pictures, weight, bias, (1, 1), padding, (1, 1), 6)


@pytest.mark.parametrize("layer", [nn.Conv2d(6, 12, 3, groups=6), nn.Conv2d(6, 6, 3, groups=2), nn.Conv2d(6, 6, 3)])
def test_other_convolutions_are_left_to_torch(layer: nn.Module) -> None:
    layer, pictures = layer.double(), torch.randn(2, 6, 9, 8, dtype=torch.float64)
    with DepthwiseInFloat64():
        assert torch.equal(layer(pictures), layer(pictures)) and layer.float()(pictures.float()) is not None
