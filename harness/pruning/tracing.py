"""Trace one forward pass: the order of layers, the sizes of their outputs, and the modules that follow them."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from textwrap import shorten

import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.pruning.layers import ChannelPad

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
KINDS = (nn.Conv2d, nn.Linear, *NORMS, ChannelPad)
NONLINEAR = (
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh, nn.Softplus),
)


@dataclass
class Trace:
    """The trace of one forward pass. order: convolutions and linear layers, as executed; for the rest see `Table`."""

    order: list[str] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    norm: dict[str, str] = field(default_factory=dict)
    tail: dict[str, str] = field(default_factory=dict)
    joined: dict[str, tuple[str, int]] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    running: str = ""
    # How many layers had run when a module was last entered: evidence takes a module's first output after the layer.
    _entered: dict[str, int] = field(default_factory=dict)
    # By id, the tensor at the end of each layer's chain: layer, tensor, version. Ids are unique while tensors live.
    # A write in place, such as a residual addition, changes the version.
    _ends: dict[int, tuple[str, Tensor, int]] = field(default_factory=dict)
    _inside: dict[str, str] = field(default_factory=dict)
    # Layers whose chain has met no nonlinearity yet, with the shape of what they write.
    _open: dict[str, torch.Size] = field(default_factory=dict)

    def enter(self, name: str, module: nn.Module, inputs: tuple[Tensor]) -> None:
        """Note that `module` is about to read its first input."""
        given = inputs[0]
        self.calls[name] += 1
        self.running = name
        before, self._entered[name] = self._entered.get(name, 0), len(self.order)
        layer, _, version = self._ends.get(id(given), ("", given, -1))
        if version != given._version or not isinstance(module, (*NORMS, *NONLINEAR)):
            if isinstance(module, NONLINEAR):
                self._join(name, given)
            return
        self._ends.pop(id(given))
        if before > self.order.index(layer):
            return  # since this layer ran, the module has run for another layer
        self.tail[layer] = name
        if isinstance(module, NONLINEAR):
            self._open.pop(layer, None)
        if isinstance(module, NORMS) and layer not in self.norm:
            self.norm[layer] = name
            self._inside[name] = layer

    def _join(self, name: str, given: Tensor) -> None:
        """Note a nonlinearity that reads, say, a sum. Layers of the same shape may be summands."""
        for layer in [layer for layer, shape in self._open.items() if shape == given.shape]:
            self.joined[layer] = name, self.calls[name]
            del self._open[layer]

    def leave(self, name: str, module: nn.Module, _: tuple[Tensor], result: Tensor) -> None:
        """Note that `module` has made `result`."""
        self.running = ""
        owner = self._inside.pop(name, "")
        if isinstance(module, nn.Conv2d | nn.Linear):
            units = module.out_channels if isinstance(module, nn.Conv2d) else module.out_features
            self.order.append(name)
            self.positions[name] = result.numel() // (result.shape[0] * units)
            self.tail[name] = owner = name
            self._open[name] = result.shape
        if owner:
            self._ends[id(result)] = (owner, result, result._version)


def depthwise(layer: nn.Module) -> bool:
    """Tell whether a layer is a depthwise convolution with as many outputs as inputs."""
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels == layer.out_channels


def trace(model: nn.Module, example: Tensor, classes: int | None = None) -> tuple[Trace, Tensor]:
    """Run the model once on an example (batch, channels, height, width); returns the trace and the output.

    Raises `UserError` if the model fails, its output is not (batch, classes), or a layer is not used exactly once.
    classes: not checked if None.
    """
    seen = Trace()
    layers = {name: module for name, module in model.named_modules() if isinstance(module, (*KINDS, *NONLINEAR))}
    try:
        with ExitStack() as hooks:
            for name, module in layers.items():
                hooks.enter_context(module.register_forward_pre_hook(partial(seen.enter, name)))
                hooks.enter_context(module.register_forward_hook(partial(seen.leave, name)))
            output = model(example)
    except Exception as error:
        size = " x ".join(map(str, example.shape[1:]))
        why = shorten(" ".join(str(error).split()), 160, placeholder=" ...")
        where = f" in layer '{seen.running}'" if seen.running else ""
        what = f"it fails in eval mode on pictures of {size} pixels{where}: {type(error).__name__}: {why}"
        raise UserError(f"{what}; build the model for these pictures, or change size= or channels=") from error
    result = _checked(output, len(example), classes)
    for name, module in layers.items():
        if isinstance(module, KINDS) and seen.calls[name] != 1:
            cure = "make one layer for each use" if seen.calls[name] else "call the layer or delete it"
            raise UserError(f"layer '{name}' is used {seen.calls[name]} times in a forward pass in eval mode; {cure}")
    return seen, result


def _checked(output: object, batch: int, classes: int | None) -> Tensor:
    if not isinstance(output, Tensor):
        raise UserError(
            f"it returns a {type(output).__name__} in eval mode; it must return one tensor, (batch, classes)"
        )
    if output.ndim != 2 or len(output) != batch:
        raise UserError(f"it returns {tuple(output.shape)} for {batch} pictures; it must return (batch, classes)")
    if classes not in (None, output.shape[1]):
        raise UserError(f"its output has {output.shape[1]} classes, the data have {classes}; build it for {classes}")
    return output
