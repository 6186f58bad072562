"""Copy networks: whole, with other tensors, or with shapes alone."""

import copyreg
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from types import CellType, FunctionType, NoneType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.errors import UserError
from prunebench.processes import uncollected
from prunebench.pruning.kinds import KINDS, NORMS

COMPILED = "_torchdynamo_orig_callable"  # in what torch.compile makes of a function: that function
_HOLDERS = (dict, list, tuple)
_CONTAINERS = frozenset({OrderedDict, dict, set})
_EMPTY = CellType()
_ATOMS = frozenset({bool, int, float, str, NoneType})
_NEW: Any = getattr(copyreg, "__newobj__")  # noqa: B009  # how most classes say that their objects are made


def copied(model: nn.Module, who: str) -> nn.Module:
    """Copy a network with all its tensors and modes. Raises `UserError` for one that holds what cannot be copied.

    who: how the error calls the network.
    """
    with copying(who):
        return deep_copy(model, plain_copies(model))


@contextmanager
def copying(who: str) -> Iterator[None]:
    """Raise `UserError` for what cannot be copied inside. who: how the error calls it."""
    try:
        yield
    except Exception as error:
        text = " ".join(str(error).split())
        what = f"{who} cannot be copied ({type(error).__name__}: {text})"
        raise UserError(f"{what}; keep such objects out of it") from error


@contextmanager
def left_alone(model: nn.Module, where: str = "") -> Iterator[None]:
    """Raise `UserError` if a layer of the model runs inside: then copies cannot stand for it.

    where: begins the error.
    """
    called: list[str] = []

    def note(name: str, *_: object) -> None:
        called.append(name)

    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, KINDS)]
    hooks = [module.register_forward_pre_hook(partial(note, name)) for name, module in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        if called:
            what = f"{where}a copy of it calls layer '{called[0]}' of the network itself"
            raise UserError(f"{what}, as by a global name; call self.{called[0]} in a method") from None


def deep_copy(model: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Do what `deepcopy` does, in half of its time: it is slow at the many small attributes of modules.

    memo: copies by the id of the original, as for `deepcopy`.
    """
    with uncollected():
        states = [(module, _state(module)) for module in model.modules()]
        if all(state is not None for _, state in states):
            twins = {id(module): _NEW(type(module)) for module, _ in states}
            memo.update(twins)
            for module, state in states:
                twins[id(module)].__setstate__({name: _attribute(value, memo) for name, value in (state or {}).items()})
        return deepcopy(model, memo)


def _state(module: nn.Module) -> dict[str, Any] | None:
    """Give the attributes that `deepcopy` copies; None for a module that has a say in how it is copied."""
    kind = type(module)
    usual = kind.__setstate__.__module__.startswith("torch.")  # another may read other modules' attributes
    usual = usual and all(getattr(kind, name) is getattr(nn.Module, name) for name in ("__getstate__", "__hash__"))
    if not usual or hasattr(kind, "__deepcopy__") or "__deepcopy__" in vars(module):
        return None
    how: Any = module.__reduce_ex__(4)
    plain = how[0] is _NEW and how[1] == (kind,) and all(part is None for part in how[3:])
    return how[2] if plain and type(how[2]) is dict else None


def _attribute(value: Any, memo: dict[int, Any]) -> Any:
    """Copy an attribute of a module. Most are numbers and words, or empty, as containers of hooks are."""
    kind = type(value)
    if kind in _ATOMS or (kind is tuple and all(type(inner) in _ATOMS for inner in value)):
        return value
    if kind in _CONTAINERS and not value:
        return memo.setdefault(id(value), kind())
    for leaf in _leaves(value):
        if isinstance(leaf, FunctionType):
            memo[id(leaf)] = _rebound(leaf, memo)
    return deepcopy(value, memo)


def _rebound(function: Any, memo: dict[int, Any]) -> Any:
    """Bind a function to the copies of the modules that it holds, such as a lambda that names its network.

    `deepcopy` keeps functions as they are, so that a copy would call layers of the original. A compiled function
    becomes the function that it was compiled from.
    """
    written = getattr(function, COMPILED, function)
    if id(written) in memo:
        return memo[id(written)]
    if not isinstance(written, FunctionType):
        return deepcopy(written, memo)
    if not _holds_modules(written, memo, set()):
        return written
    cells = tuple(CellType() for _ in written.__closure__ or ())
    copy = FunctionType(written.__code__, written.__globals__, written.__name__, None, cells or None)
    copy.__dict__.update(written.__dict__)
    memo[id(written)] = copy  # a function may hold itself

    def bound(value: Any) -> Any:
        return _rebound(value, memo) if isinstance(value, FunctionType) else memo.get(id(value), value)

    for cell, old in zip(cells, written.__closure__ or (), strict=True):
        if old != _EMPTY:
            cell.cell_contents = bound(old.cell_contents)
    copy.__defaults__ = tuple(map(bound, written.__defaults__ or ())) or None
    copy.__kwdefaults__ = {name: bound(value) for name, value in (written.__kwdefaults__ or {}).items()} or None
    return copy


def _holds_modules(function: FunctionType, memo: dict[int, Any], seen: set[int]) -> bool:
    """Tell whether a function, or one that it holds, holds a module that was copied."""
    seen.add(id(function))
    held = [cell.cell_contents for cell in function.__closure__ or () if cell != _EMPTY]
    held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    if any(isinstance(value, nn.Module) and id(value) in memo for value in held):
        return True
    inner = [value for value in held if isinstance(value, FunctionType) and id(value) not in seen]
    return any(_holds_modules(value, memo, seen) for value in inner)


def plain_copies(model: nn.Module) -> dict[int, Any]:
    """Copy the tensors that `deepcopy` refuses, by the id of the original."""
    return {id(tensor): tensor.detach().clone() for tensor in plain_tensors(model)}


def plain_tensors(model: nn.Module) -> list[Tensor]:
    """List the tensors in plain attributes of modules; deepcopy refuses those that a forward pass left."""
    registered = {"_parameters", "_buffers", "_modules"}
    attributes = (
        value
        for module in model.modules()
        for name, value in vars(module).items()
        if type(value) not in _ATOMS and name not in registered
    )
    held = (value for value in attributes if isinstance(value, Tensor) or (isinstance(value, _HOLDERS) and value))
    leaves = (leaf for value in held for leaf in _leaves(value))
    return [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, nn.Parameter)]


def _leaves(value: object) -> Iterator[object]:
    """List what containers hold, at any depth, or the value itself."""
    if isinstance(value, _HOLDERS):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


@torch.no_grad()
def twin(model: nn.Module, change: Callable[[Tensor], Tensor]) -> nn.Module:
    """Copy a network in eval mode, with every parameter and buffer replaced; parameters of the copy are trainable.

    change: makes the new tensor from the old one, which is not copied.
    """
    memo: dict[int, Any] = {id(tensor): change(tensor) for tensor in model.buffers()}
    memo |= {id(tensor): nn.Parameter(change(tensor)) for tensor in model.parameters() if tensor.is_floating_point()}
    memo |= {id(tensor): change(tensor.detach()) for tensor in plain_tensors(model)}
    return deep_copy(model, memo).eval()


def skeleton(model: nn.Module, own_curves: bool = False) -> nn.Module:
    """Copy a network to the meta device, where a forward pass computes shapes alone.

    own_curves: whether its nonlinearities are the network's own; else a ReLU stands for a ReLU6 or Hardtanh.
    """
    bare = twin(model, lambda tensor: torch.empty_like(tensor, device="meta"))
    for module in bare.modules():
        # both keep shapes, and are slow on the meta device
        if isinstance(module, NORMS):
            module.forward = torch.clone  # type: ignore[method-assign]
        elif not own_curves and isinstance(module, nn.Hardtanh) and type(module) in (nn.Hardtanh, nn.ReLU6):
            module.forward = partial(F.relu, inplace=module.inplace)  # type: ignore[method-assign]
    return bare
