"""Watches over somebody else's code: its errors get a name, and it leaves the network as it found it."""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.discovery import failure

T = TypeVar("T")

_MODULE_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_PARAMETER_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")
_SHOWN = 3  # changes that are named
_RULE = "a score changes nothing and draws from `generator` only"


def called(who: str, function: Callable[[], T]) -> T:
    """Call somebody else's code; what it raises becomes a `CellError` with its name, the error and the place."""
    try:
        return function()
    except CellError:
        raise
    except (Exception, SystemExit) as error:
        raise CellError(f"{who} failed: {failure(error)}") from error


@contextmanager
def watching(model: nn.Module, who: str) -> Iterator[None]:
    """Raise `CellError` with what changed: values, modes, flags, hooks, or a global state, which is put back.

    Values are compared with a copy: counters of versions miss what is done through `.data` or NumPy. For the 102 MB of
    ResNet-50 that takes 0.1 s on one core, as long as its forward pass of one picture.
    """
    device = next(chain(model.parameters(), model.buffers()), torch.empty(0)).device
    values, facts = _values(model), _facts(model)
    with keeping_globals(device) as turned:
        yield
    changed = [*_different(values, dict(_tensors(model))), *_different(facts, _facts(model)), *turned]
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise CellError(f"{who} changes {', '.join(changed[:_SHOWN])}{more}; {_RULE}")


@contextmanager
def keeping_globals(device: torch.device) -> Iterator[list[str]]:
    """Put back global random states and settings; in the end the list names those that had changed."""
    states = _globals(device)
    found = {name: read() for name, (read, _) in states.items()}
    turned: list[str] = []
    try:
        yield turned
    finally:
        turned += _different(found, {name: read() for name, (read, _) in states.items()})
        for name in turned:
            states[name][1](found[name])


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in model.named_parameters():
        yield f"the parameter '{name}'", parameter.detach()
    for name, buffer in model.named_buffers():
        yield f"the buffer '{name}'", buffer


def _values(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in _tensors(model)}


def _facts(model: nn.Module) -> dict[str, object]:
    """Say what else a network is: training modes, hooks of modules and parameters, what is trained."""
    facts: dict[str, object] = {}
    for name, module in model.named_modules():
        where = f"of '{name}'" if name else "of the network"
        facts[f"the mode {where}"] = module.training
        facts[f"the hooks {where}"] = [list(getattr(module, kind)) for kind in _MODULE_HOOKS]
    for name, parameter in model.named_parameters():
        facts[f"requires_grad of '{name}'"] = parameter.requires_grad
        facts[f"the hooks of '{name}'"] = [list(getattr(parameter, kind, None) or ()) for kind in _PARAMETER_HOOKS]
    return facts


def _globals(device: torch.device) -> dict[str, tuple[Callable[[], Any], Callable[[Any], object]]]:
    """Say what a process has one of, as functions that read and set it."""
    found: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
        "torch's global random state": (torch.get_rng_state, torch.set_rng_state),
        "NumPy's global random state": (np.random.get_state, np.random.set_state),
        "Python's global random state": (random.getstate, random.setstate),
        "torch's default type": (torch.get_default_dtype, torch.set_default_dtype),
        "torch's gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
        "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
    }
    if device.type == "cuda":
        cuda = torch.cuda
        read, write = partial(cuda.get_rng_state, device), partial(cuda.set_rng_state, device=device)
        found["CUDA's global random state"] = (read, write)
    return found


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Name what was added, taken away or given another value."""
    names = dict.fromkeys((*before, *after))
    return [name for name in names if not _same(before.get(name), after.get(name))]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        alike = (one.dtype, one.device) == (other.dtype, other.device)
        return alike and (torch.equal(one, other) or torch.equal(one.nan_to_num(7), other.nan_to_num(7)))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else bool(one == other)
