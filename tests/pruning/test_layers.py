import pytest
import torch
import torch.nn.functional as F

from prunebench.pruning.layers import ChannelPad


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
