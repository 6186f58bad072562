"""The parameter-free shortcut of CIFAR ResNets, as a module that can be pruned; fast depthwise convolutions."""

from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Pair = tuple[int, int]


class ChannelPad(nn.Module):
    """Subsample the picture and place its channels among zero channels: the option-A shortcut (He et al., 2016).

    `index` (out_channels,) is a buffer: the input channel that each output channel copies, -1 for a zero channel.
    `scale` (out_channels,) is a buffer: a factor of each output channel, one unless a gate was folded into it.
    Pruning changes these buffers and the channel counts. Both sides can keep any subset of their channels.

    Args:
        in_channels: channels of the input, (batch, in_channels, height, width).
        out_channels: channels of the output. Half of the added zero channels come before the input's, half after.
        stride: every `stride`-th row and column is kept.

    >>> ChannelPad(2, 4, stride=1)(torch.ones(1, 2, 1, 1)).flatten().tolist()
    [0.0, 1.0, 1.0, 0.0]
    """

    index: Tensor
    scale: Tensor

    def __init__(self, in_channels: int, out_channels: int, stride: int = 2) -> None:
        super().__init__()
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        before = (out_channels - in_channels) // 2
        index = torch.full((out_channels,), -1)
        index[before : before + in_channels] = torch.arange(in_channels)
        self.register_buffer("index", index)
        self.register_buffer("scale", torch.ones(out_channels))

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (batch, in_channels, height, width) to (batch, out_channels, height / stride, width / stride)."""
        small = pictures[:, :, :: self.stride, :: self.stride]
        factor = self.scale * (self.index >= 0)
        return small.index_select(1, self.index.clamp(min=0)) * factor.view(1, -1, 1, 1)

    def extra_repr(self) -> str:
        """Show the channels and the stride."""
        return f"{self.in_channels}, {self.out_channels}, stride={self.stride}"


class DepthwiseInFloat64(TorchFunctionMode):
    """Computes depthwise convolutions tap by tap: in float64, torch calls a kernel for each channel."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv2d and len(args) == 7 and _is_depthwise(*args):
            return _by_taps(*args[:6])
        return func(*args, **(kwargs or {}))


def _is_depthwise(pictures: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> bool:
    """Tell whether a convolution is depthwise and in float64, with arguments that torch takes as they are."""
    *geometry, groups = options
    plain = all(isinstance(pair, tuple) and len(pair) == 2 for pair in geometry) and pictures.ndim == 4
    if not plain or not 1 < groups == pictures.shape[1] == len(weight) or weight.shape[1] != 1:
        return False
    vectors = [] if bias is None else [bias]
    alike = all(one.dtype == torch.float64 for one in (pictures, weight, *vectors))
    alike = alike and all(one.shape == (groups,) for one in vectors)
    _, padding, dilation = geometry
    reach = [step * (side - 1) for step, side in zip(dilation, weight.shape[2:], strict=True)]
    sizes = zip(pictures.shape[2:], padding, reach, strict=True)
    return alike and min(padding) >= 0 and all(size + 2 * margin > far for size, margin, far in sizes)


def _by_taps(pictures: Tensor, weight: Tensor, bias: Tensor | None, *geometry: Pair) -> Tensor:
    """Sum shifted pictures (batch, channels, height, width), each times one tap of the weight (channels, 1, h, w)."""
    stride, padding, dilation = geometry
    padded = F.pad(pictures, (padding[1], padding[1], padding[0], padding[0]))
    kernel = weight.shape[2:]
    height, width = (
        (padded.shape[axis + 2] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis] + 1 for axis in (0, 1)
    )
    output = padded.new_zeros(*pictures.shape[:2], height, width)
    if bias is not None:
        output += bias[:, None, None]
    for row, column in product(*map(range, kernel)):
        top, left = row * dilation[0], column * dilation[1]
        seen = padded[:, :, top :: stride[0], left :: stride[1]][:, :, :height, :width]
        output.addcmul_(weight[:, 0, row, column, None, None], seen)
    return output
