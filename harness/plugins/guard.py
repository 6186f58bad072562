"""Guards around plugin code: its errors name the plugin, and it must leave the network unchanged."""

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
_SHOWN = 3  # most changes that a message names
_RULE = "a score must change nothing and draw from `generator` only"


def called(who: str, function: Callable[[], T]) -> T:
    """Call plugin code. Its error becomes a `CellError` that names `who`, the error and the file and line."""
    try:
        return function()
    except CellError:
        raise
    except (Exception, SystemExit) as error:
        raise CellError(f"{who} failed: {failure(error)}") from error


@contextmanager
def watching(model: nn.Module, who: str) -> Iterator[None]:
    """Raise `CellError` that names changed values, modes, flags, hooks and global states. Put global states back.

    Values are compared with a copy, since version counters miss changes through `.data` or NumPy. The 102 MB of
    ResNet-50 take 0.1 s on one core, as long as a forward pass of one picture.
    """
    device = next(chain(model.parameters(), model.buffers()), torch.empty(0)).device
    values, facts = {name: tensor.clone() for name, tensor in _tensors(model)}, _facts(model)
    with keeping_globals(device) as changed_globals:
        yield
    changed = [*_different(values, dict(_tensors(model))), *_different(facts, _facts(model)), *changed_globals]
    if changed:
        more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        raise CellError(f"{who} changes {', '.join(changed[:_SHOWN])}{more}; {_RULE}")


@contextmanager
def keeping_globals(device: torch.device) -> Iterator[list[str]]:
    """Put global random states and settings back at the end, and add the names of the changed ones to the list."""
    states = _globals(device)
    before = {name: read() for name, (read, _) in states.items()}
    changed: list[str] = []
    try:
        yield changed
    finally:
        changed += _different(before, {name: read() for name, (read, _) in states.items()})
        for name in changed:
            states[name][1](before[name])


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in model.named_parameters():
        yield f"the parameter '{name}'", parameter.detach()
    for name, buffer in model.named_buffers():
        yield f"the buffer '{name}'", buffer


def _facts(model: nn.Module) -> dict[str, object]:
    """Describe a network beside its values: training modes, hooks, and which parameters are trained."""
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
    """Return functions that read and set each global state of the process, by name."""
    states: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
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
        states["CUDA's global random state"] = (read, write)
    return states


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys((*before, *after))
    return [name for name in names if not _same(before.get(name), after.get(name))]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        alike = (one.dtype, one.device) == (other.dtype, other.device)
        return alike and (torch.equal(one, other) or torch.equal(one.nan_to_num(7), other.nan_to_num(7)))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else bool(one == other)
