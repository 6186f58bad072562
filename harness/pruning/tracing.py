"""Trace one forward pass: the order of layers, the sizes of their outputs, and the modules that follow them."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from textwrap import shorten

import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.pruning.kinds import KINDS, LAYERS, NONLINEAR, NORMS, channelwise, own_tensors


@dataclass
class Trace:
    """The trace of one forward pass.

    order: convolutions and linear layers, as executed.
    channelwise: modules that keep the shape of their input and seem to work on each channel alone, with their channels.
    calls: how often each module ran.
    stops: modules whose units cannot be followed, each with the reason.
    For the rest see `Table`.
    """

    order: list[str] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    norm: dict[str, str] = field(default_factory=dict)
    tail: dict[str, str] = field(default_factory=dict)
    joined: dict[str, tuple[str, int]] = field(default_factory=dict)
    channelwise: dict[str, int] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    stops: dict[str, str] = field(default_factory=dict)
    running: str = ""
    # How many layers had run when a module was last entered: evidence takes a module's first output after the layer.
    _entered: dict[str, int] = field(default_factory=dict)
    # By id, the tensor at the end of each layer's chain: layer, tensor, version. Ids are unique while tensors live.
    # A write in place, such as a residual addition, changes the version.
    _ends: dict[int, tuple[str, Tensor, int]] = field(default_factory=dict)
    _inside: dict[str, str] = field(default_factory=dict)
    # Layers whose chain has met no nonlinearity yet, with the shape of what they write.
    _open: dict[str, torch.Size] = field(default_factory=dict)

    def enter(self, name: str, module: nn.Module, inputs: tuple[object, ...], named: dict[str, object]) -> None:
        """Note that `module` is about to read its first input."""
        self.calls[name] += 1
        self.running = name
        given = next(iter((*inputs, *named.values())), None)
        if not isinstance(given, Tensor):
            return
        before, self._entered[name] = self._entered.get(name, 0), len(self.order)
        layer, _, version = self._ends.get(id(given), ("", given, -1))
        if version != given._version or (isinstance(module, KINDS) and not isinstance(module, NORMS)):
            if isinstance(module, NONLINEAR):
                self._join(name, given)
            return
        self._ends.pop(id(given))
        if before > self.order.index(layer):
            return  # since this layer ran, the module has run for another layer
        self.tail[layer] = name
        if isinstance(module, NONLINEAR):
            self._open.pop(layer, None)
        elif not isinstance(module, NORMS):
            self._inside[name] = layer
        elif layer not in self.norm:
            self.norm[layer] = name
            self._inside[name] = layer

    def _join(self, name: str, given: Tensor) -> None:
        """Note a nonlinearity that reads, say, a sum. Layers of the same shape may be summands."""
        for layer in [layer for layer, shape in self._open.items() if shape == given.shape]:
            self.joined[layer] = name, self.calls[name]
            del self._open[layer]

    def leave(
        self, name: str, module: nn.Module, inputs: tuple[object, ...], named: dict[str, object], result: object
    ) -> None:
        """Note that `module` has made `result`."""
        self.running = ""
        owner = self._inside.pop(name, "")
        given = next(iter((*inputs, *named.values())), None)
        if not isinstance(given, Tensor) or not isinstance(result, Tensor):
            return
        if isinstance(module, LAYERS):
            units = module.out_channels if isinstance(module, nn.Conv2d) else module.out_features
            self.order.append(name)
            self.positions[name] = result.numel() // (result.shape[0] * units)
            self.tail[name] = owner = name
            self._open[name] = result.shape
        elif len(inputs) + len(named) == 1 and channelwise(module) and given.shape == result.shape and given.ndim > 1:
            self._note_channelwise(name, module, given.shape[1])
        if owner:
            self._ends[id(result)] = (owner, result, result._version)

    def _note_channelwise(self, name: str, module: nn.Module, channels: int) -> None:
        tensors = own_tensors(module).values()
        if all(tensor.numel() == 1 or tensor.numel() == channels for tensor in tensors):
            self.channelwise[name] = channels

    def forget(self, layer: str) -> None:
        """Forget a layer that ran several times."""
        self.order = [name for name in self.order if name != layer]
        for part in (self.positions, self.norm, self.tail, self.joined):
            part.pop(layer, None)


def trace(model: nn.Module, example: Tensor, classes: int | None = None) -> Trace:
    """Run the model once on an example (batch, channels, height, width).

    Raises `UserError` if the model fails, or its output is not (batch, classes).
    classes: not checked if None.
    """
    seen = Trace()
    hooked = {n: m for n, m in model.named_modules() if isinstance(m, (*KINDS, *NONLINEAR)) or channelwise(m)}
    try:
        with ExitStack() as hooks:
            for name, module in hooked.items():
                hooks.enter_context(module.register_forward_pre_hook(partial(seen.enter, name), with_kwargs=True))
                hooks.enter_context(module.register_forward_hook(partial(seen.leave, name), with_kwargs=True))
            output = model(example)
    except Exception as error:
        size = " x ".join(map(str, example.shape[1:]))
        why = shorten(" ".join(str(error).split()), 160, placeholder=" ...")
        where = f" in layer '{seen.running}'" if seen.running else ""
        pictures = "one picture" if len(example) == 1 else "pictures"
        what = f"it fails in eval mode on {pictures} of {size} pixels{where}: {type(error).__name__}: {why}"
        raise UserError(f"{what}; build the model for these pictures, or change size= or channels=") from error
    _check_output(output, len(example), classes)
    for layer in [layer for layer in dict.fromkeys(seen.order) if seen.calls[layer] > 1]:
        seen.forget(layer)
    return seen


def _check_output(output: object, batch: int, classes: int | None) -> None:
    if not isinstance(output, Tensor):
        raise UserError(
            f"it returns a {type(output).__name__} in eval mode; it must return one tensor, (batch, classes)"
        )
    if output.ndim != 2 or len(output) != batch:
        pictures = "1 picture" if batch == 1 else f"{batch} pictures"
        cure = "; squeeze() drops the batch, too: use flatten(1)" if batch == 1 and output.ndim == 1 else ""
        raise UserError(f"it returns {tuple(output.shape)} for {pictures}; it must return (batch, classes){cure}")
    if classes not in (None, output.shape[1]):
        raise UserError(f"its output has {output.shape[1]} classes, the data have {classes}; build it for {classes}")
