"""Copy networks: whole, with other tensors, or with shapes alone."""

import copyreg
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from types import FunctionType, MethodType, NoneType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.errors import UserError
from prunebench.processes import uncollected
from prunebench.pruning.kinds import NORMS

COMPILED = "_torchdynamo_orig_callable"  # in what torch.compile makes of a function: that function
_HOLDERS = (dict, list, tuple)
_CONTAINERS = frozenset({OrderedDict, dict, set})
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
    written = getattr(value, COMPILED, None) if kind is FunctionType else None
    if isinstance(written, MethodType):  # `deepcopy` would leave a compiled method with the original
        return deepcopy(written, memo)
    return deepcopy(value, memo)


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
