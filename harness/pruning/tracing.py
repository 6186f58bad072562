"""Trace one forward pass: the order of layers, the sizes of their outputs, and the modules that follow them."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from textwrap import shorten
from traceback import extract_tb
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from prunebench.errors import UserError, kind_of
from prunebench.pruning.kinds import KINDS, LAYERS, NONLINEAR, NORMS, channelwise, own_tensors
from prunebench.pruning.network import Place
from prunebench.pruning.streams import Places, Readers, follow, leaves, read_by, readers

_PACKAGES = (Path(torch.__file__).parent, Path(__file__).parents[1])  # whose lines say little of a slip elsewhere


class Link(NamedTuple):
    """A module of the chain that begins with a layer, and the nodes of autograd that made its input and its output."""

    name: str
    module: nn.Module
    given: Any
    result: Any


@dataclass
class Trace:
    """The trace of one forward pass.

    order: convolutions and linear layers, as executed.
    channelwise: modules that keep the shape of their input and seem to work on each channel alone, with their channels.
    calls: how often each module ran.
    stops: modules whose units cannot be followed, each with the reason.
    strangers: trainable tensors that the output depends on and that are no parameters of the network.
    For the rest see `Table`.
    """

    order: list[str] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    norm: dict[str, str] = field(default_factory=dict)
    tail: dict[str, str] = field(default_factory=dict)
    joined: dict[str, Place] = field(default_factory=dict)
    channelwise: dict[str, int] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    stops: dict[str, str] = field(default_factory=dict)
    strangers: list[Tensor] = field(default_factory=list)
    running: str = ""
    # How many layers had run when a module was last entered: evidence takes a module's first output after the layer.
    _entered: dict[str, int] = field(default_factory=dict)
    # By id, the tensor at the end of each layer's chain: layer, tensor, version. Ids are unique while tensors live.
    # A write in place, such as a residual addition, changes the version.
    _ends: dict[int, tuple[str, Tensor, int]] = field(default_factory=dict)
    # By name, the modules that run as the next link of a layer's chain: layer, and the node of the input.
    _inside: dict[str, tuple[str, Any]] = field(default_factory=dict)
    # By layer, its chain: itself, BatchNorm, nonlinearity and the like, each read by the next.
    _chains: dict[str, list[Link]] = field(default_factory=dict)

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
            return
        self._ends.pop(id(given))
        if before <= self.order.index(layer):  # else, since this layer ran, the module has run for another layer
            self._inside[name] = layer, given.grad_fn

    def leave(
        self, name: str, module: nn.Module, inputs: tuple[object, ...], named: dict[str, object], result: object
    ) -> None:
        """Note that `module` has made `result`."""
        self.running = ""
        owner, node = self._inside.pop(name, ("", None))
        given = next(iter((*inputs, *named.values())), None)
        if not isinstance(given, Tensor) or not isinstance(result, Tensor):
            return
        if isinstance(module, LAYERS):
            units = module.out_channels if isinstance(module, nn.Conv2d) else module.out_features
            self.order.append(name)
            self.positions[name] = result.numel() // (result.shape[0] * units)
            self._chains[name], owner, node = [], name, result.grad_fn
        elif len(inputs) + len(named) == 1 and channelwise(module) and given.shape == result.shape and given.ndim > 1:
            self._note_channelwise(name, module, given.shape[1])
        if owner:
            chain = self._chains[owner]
            again = isinstance(module, NORMS) and any(isinstance(link.module, NORMS) for link in chain)
            chain.append(Link(name, module, node, result.grad_fn))
            if not again and not isinstance(module, NONLINEAR):
                self._ends[id(result)] = (owner, result, result._version)

    def settle(self, found: Readers, places: Places) -> None:
        """Say what belongs to each layer's chain, which ends where another module or function reads its tensor, too."""
        for layer, (first, *links) in self._chains.items():
            chain = [first]
            for link in links:
                if not read_by(link.given, link.result, found):
                    break
                chain.append(link)
            self.tail[layer] = chain[-1].name
            for link in chain[:0:-1]:
                if isinstance(link.module, NORMS):
                    self.norm[layer] = link.name
            self._join(layer, chain[-1], places, found)
        self._chains.clear()
        self._ends.clear()

    def _join(self, layer: str, end: Link, places: Places, found: Readers) -> None:
        """Note the last place that the output of a layer reaches behind its chain."""
        reached = list(follow(end.result, isinstance(end.module, NONLINEAR), found))[1:]
        known = [place for node in reached if (place := places.find(node))]
        if known:
            self.joined[layer] = known[-1]

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
    seen, places = Trace(), Places()
    hooked = {n: m for n, m in model.named_modules() if isinstance(m, (*KINDS, *NONLINEAR)) or channelwise(m)}
    try:
        with torch.enable_grad(), ExitStack() as hooks:
            hooks.enter_context(places.watch(model))
            for name, module in hooked.items():
                hooks.enter_context(module.register_forward_pre_hook(partial(seen.enter, name), with_kwargs=True))
                hooks.enter_context(module.register_forward_hook(partial(seen.leave, name), with_kwargs=True))
            given = example.detach().requires_grad_()
            output = model(given.clone())  # a copy, which may be changed in place
    except Exception as error:
        size = " x ".join(map(str, example.shape[1:]))
        why = shorten(" ".join(str(error).split()), 160, placeholder=" ...")
        where = f" in layer '{seen.running}'" if seen.running else ""
        pictures = "one picture" if len(example) == 1 else "pictures"
        what = f"it fails in eval mode on {pictures} of {size} pixels{where}: {type(error).__name__}: {why}"
        raise UserError(what + _cure(error)) from error
    _check_output(output, len(example), classes)
    found = readers(output)
    seen.settle(found, places)
    known = {id(given), *map(id, model.parameters())}
    seen.strangers = [leaf for leaf in leaves(found) if id(leaf) not in known]
    for layer in [layer for layer in dict.fromkeys(seen.order) if seen.calls[layer] > 1]:
        seen.forget(layer)
    return seen


def _cure(error: Exception) -> str:
    """Say what to do about an error of a forward pass: most of torch's are of shapes, others are slips in the code."""
    if isinstance(error, RuntimeError):
        return "; build the model for these pictures, or give others, as by a dataset's size= or channels="
    frames = extract_tb(error.__traceback__)
    own = [frame for frame in frames if not any(map(Path(frame.filename).is_relative_to, _PACKAGES))]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""


@torch.no_grad()
def unsteady(model: nn.Module, pictures: Tensor) -> str:
    """Name the first module that gives two outputs for the same inputs; "" if there is none but the model itself.

    pictures: (batch, channels, height, width), on the device and in the type of the model.
    """
    for one, other in zip(_outputs(model, pictures), _outputs(model, pictures), strict=False):
        if one[0] != other[0]:
            return ""  # the two passes took two ways
        if _equal(one[1], other[1]) and not _equal([one[2]], [other[2]]):
            return one[0]
    return ""


def _equal(some: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Tell whether tensors are equal; two values that are no numbers are."""
    if [one.shape for one in some] != [other.shape for other in others]:
        return False
    return all(
        bool(((one == other) | ((one != one) & (other != other))).all())
        for one, other in zip(some, others, strict=True)
    )


def _outputs(model: nn.Module, pictures: Tensor) -> list[tuple[str, list[Tensor], Tensor]]:
    """List the modules as they end, each with copies of its inputs and output."""
    found: list[tuple[str, list[Tensor], Tensor]] = []
    inputs: dict[str, list[Tensor]] = {}

    def enter(name: str, _: nn.Module, given: tuple[object, ...]) -> None:
        inputs[name] = [one.clone() for one in given if isinstance(one, Tensor)]

    def leave(name: str, _: nn.Module, __: object, result: object) -> None:
        if (before := inputs.pop(name, [])) and isinstance(result, Tensor):
            found.append((name, before, result.clone()))

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.enter_context(module.register_forward_pre_hook(partial(enter, name)))
            hooks.enter_context(module.register_forward_hook(partial(leave, name)))
        model(pictures)
    return found


def check_alone(model: nn.Module, picture: Tensor, classes: int | None = None) -> None:
    """Check that the model takes one picture (1, channels, height, width). Raises `UserError` as `trace` does."""
    try:
        _check_output(model(picture), 1, classes)
    except Exception:
        trace(model, picture, classes)  # slower; it names the layer


def _check_output(output: object, batch: int, classes: int | None) -> None:
    if not isinstance(output, Tensor):
        raise UserError(f"it returns {kind_of(output)} in eval mode; it must return one tensor, (batch, classes)")
    if output.ndim != 2 or len(output) != batch:
        pictures = "1 picture" if batch == 1 else f"{batch} pictures"
        cure = "; squeeze() drops the batch, too: use flatten(1)" if batch == 1 and output.ndim == 1 else ""
        raise UserError(f"it returns {tuple(output.shape)} for {pictures}; it must return (batch, classes){cure}")
    found = output.shape[1]
    if classes is not None and classes != found:
        cure = f", or give data of {found} classes alone, with labels from 0 to {found - 1}" if found < classes else ""
        raise UserError(f"its output has {found} classes, the data have {classes}; build it for {classes}{cure}")
