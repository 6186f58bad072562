"""Kinds of modules, and which tensors of a module belong to the units on each of its sides."""

from torch import Tensor, nn

from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Side

LAYERS = (nn.Conv2d, nn.Linear)  # they write units that may be removed
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
KINDS = (*LAYERS, nn.ConvTranspose2d, *NORMS, ChannelPad)
NONLINEAR = (
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.PReLU),
    *(nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus),
)
RESCALING = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.GroupNorm)  # they cancel a factor of their input
_OTHERS = (nn.modules.conv._ConvNd, nn.LayerNorm, nn.MultiheadAttention, nn.RNNBase, nn.Embedding)
_WIDTHS = ("num_features", "num_channels", "num_parameters")  # attributes that hold a number of channels


def depthwise(layer: nn.Module) -> bool:
    """Tell whether a layer is a depthwise convolution with as many outputs as inputs."""
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels


def channelwise(module: nn.Module) -> bool:
    """Tell whether a module may work on each channel alone: its tensors have one entry per channel, or one entry.

    Whether it really does is for the verification to find out.

    >>> channelwise(nn.PReLU(8)), channelwise(nn.InstanceNorm2d(8)), channelwise(nn.Linear(8, 8))
    (True, True, False)
    """
    if isinstance(module, RESCALING):
        return True
    own = own_tensors(module)
    if not own or isinstance(module, (*KINDS, *_OTHERS)):
        return False
    sizes = {tensor.numel() for tensor in own.values()} - {1}
    flat = all(tensor.numel() == 1 or channel_axis(tensor) is not None for tensor in own.values())
    alone = len(own) == len([*module.parameters(), *module.buffers()])
    alone = alone and not any(isinstance(inner, RESCALING) for inner in module.modules())
    return alone and flat and len(sizes) <= 1


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Give the parameters and buffers that a module holds itself, each once, by its first name."""
    held = {**module._parameters, **module._buffers}
    first = {id(tensor): name for name, tensor in reversed(held.items()) if tensor is not None}
    return {name: tensor for name, tensor in held.items() if tensor is not None and first[id(tensor)] == name}


def channel_axis(tensor: Tensor) -> int | None:
    """Give the only axis of a tensor with more than one entry; None if there is none, or several.

    >>> import torch
    >>> channel_axis(torch.ones(1, 8, 1, 1)), channel_axis(torch.ones(2, 8)), channel_axis(torch.ones(1))
    (1, None, None)
    """
    axes = [axis for axis, size in enumerate(tensor.shape) if size > 1]
    return axes[0] if len(axes) == 1 else None


def cut_axes(module: nn.Module, side: Side, tensor: str = "") -> dict[str, int]:
    """Name the tensors that one side of a module cuts, each with its axis.

    tensor: a bare parameter or buffer of the module, if this tensor alone is meant.

    >>> cut_axes(nn.Conv2d(3, 8, 1), "in"), cut_axes(nn.ConvTranspose2d(3, 8, 1), "in")
    ({'weight': 1}, {'weight': 0})
    """
    own = {name: value for name, value in own_tensors(module).items() if not tensor or name == tensor}
    if isinstance(module, ChannelPad):
        return {"index": 0, "scale": 0} if side == "out" else {}
    if isinstance(module, nn.ConvTranspose2d):
        return {"weight": 0} if side == "in" else {"weight": 1} | {name: 0 for name in own if name == "bias"}
    if isinstance(module, LAYERS) and not tensor:
        units = len(module.weight)  # gains and the like have one entry for each unit
        vectors = {name: 0 for name, value in own.items() if value.ndim and len(value) == value.numel() == units}
        return {"weight": 1} if side == "in" else {"weight": 0} | vectors
    if isinstance(module, NORMS):
        return {name: 0 for name, value in own.items() if value.ndim}
    return {name: axis for name, value in own.items() if (axis := channel_axis(value)) is not None}


def widths(module: nn.Module, side: Side) -> tuple[str, ...]:
    """Name the attributes that hold the width of one side of a module."""
    if isinstance(module, nn.Linear):
        return (f"{side}_features",)
    if depthwise(module):  # both sides are the same channels
        return ("in_channels", "out_channels", "groups")
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, ChannelPad)):
        return (f"{side}_channels",)
    return tuple(name for name in _WIDTHS if getattr(module, name, 1) != 1)
