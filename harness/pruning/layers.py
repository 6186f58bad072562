"""The parameter-free shortcut of CIFAR ResNets, as a module that can be pruned."""

import torch
from torch import Tensor, nn


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
