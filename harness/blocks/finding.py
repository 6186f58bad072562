"""Find the residual blocks that a network can lose: each adds a branch to its own unchanged input."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from prunebench.pruning.copies import skeleton, twin
from prunebench.pruning.kinds import LAYERS
from prunebench.pruning.streams import CURVES, Readers, readers

IDENTITY, BRANCH = "identity", "branch"
_CURVES = {name: getattr(nn, name) for name in ("Sigmoid", "Tanh", "Hardswish", "Hardsigmoid", "Mish")}
_CURVES |= {"Silu": nn.SiLU, "Relu": nn.ReLU, "Hardtanh": nn.Hardtanh, "LeakyRelu": nn.LeakyReLU}
_NUMBERS = {"Hardtanh": ("_saved_min_val", "_saved_max_val"), "LeakyRelu": ("_saved_negative_slope",)}


@dataclass(frozen=True)
class Block:
    """A module that may be taken out of a network.

    name: of the module. layers: convolutions and linear layers inside, in the order of the model. kind: what stands in
    its place: `identity`; `branch` for zeros, where the module is the branch alone; or the nonlinearity behind the
    addition, as autograd names it. numbers: of this nonlinearity.
    """

    name: str
    layers: tuple[str, ...]
    kind: str = IDENTITY
    numbers: tuple[float, ...] = ()

    def stand_in(self) -> nn.Module:
        """Make the module that stands in the block's place."""
        if self.kind in (IDENTITY, BRANCH):
            return nn.Identity() if self.kind == IDENTITY else NoBranch()
        module: nn.Module = _CURVES[self.kind](*self.numbers)
        return module


class NoBranch(nn.Module):
    """Stands in the place of a removed branch: zeros of the shape of its input."""

    def forward(self, given: Tensor) -> Tensor:
        """Return zeros."""
        return torch.zeros_like(given)


class _Call(NamedTuple):
    """The nodes of autograd that made what a module read and what it returned."""

    given: Any
    result: Any


@dataclass
class _Calls:
    """The calls of modules that map one tensor to one of the same shape. again: modules that ran several times."""

    of: dict[str, _Call] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    _given: dict[str, Any] = field(default_factory=dict)

    def enter(self, name: str, module: nn.Module, given: tuple[object, ...], named: dict[str, object]) -> None:
        """Note what a module is about to read: it may change its input in place."""
        if name in self._given:
            self.again.add(name)
        one = given[0] if len(given) == 1 and not named else None
        self._given[name] = (one.grad_fn, one.shape) if isinstance(one, Tensor) else None

    def leave(self, name: str, module: nn.Module, given: object, result: object) -> None:
        """Note what it has returned."""
        before = self._given[name]
        if before is not None and isinstance(result, Tensor) and result.shape == before[1] and name:
            self.of[name] = _Call(before[0], result.grad_fn)


def find_blocks(model: nn.Module, pictures: Tensor) -> tuple[Block, ...]:
    """Find the blocks of a network, in the order of the model.

    A block is a module that returns the sum of its input and a branch, or a nonlinearity of this sum. Where no such
    module holds the addition, the branch itself must be a module. A block runs once and holds a convolution or linear
    layer. Nothing outside reads what is inside its branch or uses the branch's parameters. Blocks that hold other
    blocks are left out.

    model: it is not changed. pictures: (batch, channels, height, width), for their shape.

    >>> find_blocks(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten()), torch.zeros(1, 1, 3, 3))
    ()
    """
    try:
        calls, found = _followed(skeleton(model, own_curves=True), pictures.to("meta"))
    except Exception:  # it looks at its numbers
        calls, found = _followed(twin(model, Tensor.clone), pictures.to(next(model.parameters()).device))
    ours = {block.name: block for block in _blocks(model, calls, found)}
    order = [name for name, _ in model.named_modules() if name in ours]
    holding = {name for name in order if any(other.startswith(f"{name}.") for other in order)}
    return tuple(ours[name] for name in order if name not in holding)


def _followed(model: nn.Module, pictures: Tensor) -> tuple[_Calls, Readers]:
    calls = _Calls()
    with torch.enable_grad(), ExitStack() as hooks:
        for name, module in model.named_modules():
            hooks.enter_context(module.register_forward_pre_hook(partial(calls.enter, name), with_kwargs=True))
            hooks.enter_context(module.register_forward_hook(partial(calls.leave, name)))
        output = model(pictures.detach().requires_grad_().clone())
    return calls, readers(output)


def _blocks(model: nn.Module, calls: _Calls, found: Readers) -> Iterator[Block]:
    taken: set[Any] = set()
    for name in sorted(calls.of, key=lambda one: -one.count(".")):  # the innermost module that holds an addition
        given, result = calls.of[name]
        addition, curve = _addition(result)
        if addition is None or addition in taken or name in calls.again:
            continue
        branch = _branch(addition, given)
        alone = curve is None or len(found[addition]) == 1
        known = curve is None or _kind(curve) in _CURVES
        if branch is None or not alone or not known or not _closed(branch, addition, given, found):
            continue
        if block := _block(model, name, IDENTITY if curve is None else _kind(curve), _numbers(curve)):
            taken.add(addition)
            yield block
    for name in sorted(calls.of, key=lambda one: one.count(".")):  # the outermost module that is a branch
        given, result = calls.of[name]
        into = found.get(result, ())
        if name in calls.again or len(into) != 1 or into[0] in taken or _branch(into[0], given) is not result:
            continue
        if _closed(result, into[0], given, found) and (block := _block(model, name, BRANCH)):
            taken.add(into[0])
            yield block


def _addition(result: Any) -> tuple[Any, Any]:
    """Find the addition that a module returns, and the nonlinearity behind it, if any."""
    if _kind(result) == "Add":
        return result, None
    before = result.next_functions[0][0] if _kind(result) in CURVES else None
    return (before, result) if _kind(before) == "Add" else (None, None)


def _branch(addition: Any, given: Any) -> Any:
    """Return the other operand of an addition to an unchanged tensor; None for another addition."""
    if _kind(addition) != "Add" or addition._saved_alpha != 1:
        return None
    operands = [node for node, _ in addition.next_functions]
    others = [node for node in operands if node is not given]
    return others[0] if given is not None and len(operands) == 2 and len(others) == 1 else None


def _closed(branch: Any, addition: Any, given: Any, found: Readers) -> bool:
    """Tell whether the addition alone reads what is computed between a branch's input and its end."""
    inside, stack = {branch}, [branch]
    while stack:
        for node, _ in stack.pop().next_functions:
            if node is not None and node is not given and node not in inside:
                inside.add(node)
                stack.append(node)
    return all(reader is addition or reader in inside for node in inside for reader in found.get(node, ()))


def _block(model: nn.Module, name: str, kind: str, numbers: tuple[float, ...] = ()) -> Block | None:
    inside = model.get_submodule(name).named_modules()
    layers = tuple(f"{name}.{inner}".rstrip(".") for inner, module in inside if isinstance(module, LAYERS))
    return Block(name, layers, kind, numbers) if layers else None


def _numbers(curve: Any) -> tuple[float, ...]:
    return tuple(float(getattr(curve, name)) for name in _NUMBERS.get(_kind(curve), ()))


def _kind(node: Any) -> str:
    return "" if node is None else str(node.name()).partition("Backward")[0]
