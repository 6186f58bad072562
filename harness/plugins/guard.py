"""Guards around foreign code, a plugin's or a user's: its errors name it, and what it must not change is put back.

- A score or a regulariser that changes a global state fails its cell.
- The import of a plugin, the factory of a model and the loading of a dataset get a warning that names the state.
- A factory that sets torch's seed is refused, since the seeds of a run would share their initial weights.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dis import opmap
from functools import cache
from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from prunebench.errors import CellError, UserError
from prunebench.plugins.discovery import failure
from prunebench.plugins.process_states import State, process_states
from prunebench.plugins.sources import is_library
from prunebench.plugins.torch_states import NUMBERS, TORCH_SETTINGS, numbers_of
from prunebench.processes import uncollected

log = logging.getLogger("prunebench")

T = TypeVar("T")
States = Sequence[State]

_MODULE_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_PARAMETER_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")
_SHOWN = 3  # most changes that a message names
_SCORE = "a score must change nothing and draw from `generator` only"
_REGULARISER = "a regulariser must change no global state and draw from `generator` only"


def called(who: str, function: Callable[[], T], kind: type[Exception] = CellError) -> T:
    """Call foreign code. Its error becomes a `kind` that names `who`, the error and the file and line.

    `SystemExit` is an error like any other, and so is a `KeyboardInterrupt` that the code itself raises.
    """
    try:
        return function()
    except (kind, CellError):
        raise
    except BaseException as error:
        raise kind(f"{who} failed: {why(error)}") from error


def why(error: BaseException) -> str:
    """Describe an error of foreign code on one line. Raises it again if it is Ctrl-C of the user."""
    if isinstance(error, KeyboardInterrupt) and not _raised_by_code(error):
        raise error
    return failure(error)


def _raised_by_code(error: BaseException) -> bool:
    """Tell whether a `raise` statement raised an error; Ctrl-C comes between two instructions."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and last.tb_frame.f_code.co_code[last.tb_lasti] == opmap["RAISE_VARARGS"]


def settings() -> States:
    """Return all global states but the random ones."""
    return (*TORCH_SETTINGS, *process_states())


def all_states(device: torch.device) -> States:
    """Return all global states that code on a device may change."""
    return (*settings(), *numbers_of(device))


@contextmanager
def keeping(states: States) -> Iterator[list[str]]:
    """Put global states back at the end, and add the names of the changed ones to the list.

    What libraries change when they are imported, such as the warnings filters, is left if a library was imported.
    """
    before, modules = [state.read() for state in states], len(sys.modules)
    changed: list[str] = []
    try:
        yield changed
    finally:
        if [state.read() for state in states] != before:
            library = any(map(is_library, list(sys.modules)[modules:]))
            for state, value in zip(states, before, strict=True):
                if state.read() != value and not (library and state.loose):
                    changed.append(state.name)
                    state.write(value)


def guarded(who: str, function: Callable[[], T], states: States, watched: bool = True) -> T:
    """Call the code of a regulariser. Raises `CellError` if it fails or, if watched, changes one of the states."""
    with keeping(states) as changed:
        value = called(who, function)
    if changed and watched:
        raise CellError(f"{who} changes {_listed(changed)}; {_REGULARISER}")
    return value


def prepared(who: str, function: Callable[[], T]) -> T:
    """Call foreign code before any cell. Raises `UserError` if it fails; warns of settings that it changes."""
    with put_back(who, settings()):
        return called(who, function, UserError)


def built(who: str, function: Callable[[], T]) -> T:
    """Call the factory of a model, which may draw from the global random states, but not seed torch's."""
    seed = torch.initial_seed()
    value = prepared(who, function)
    if torch.initial_seed() != seed:
        what = "so all seeds of a run would begin with the same weights"
        raise UserError(f"{who} sets torch's seed, {what}; remove its torch.manual_seed")
    return value


def imported(who: str, function: Callable[[], T]) -> T:
    """Import foreign code. Warns of global states that the import changes; errors are passed on."""
    with put_back(f"{who}: its import", (*settings(), *NUMBERS)), uncollected():
        return function()


@contextmanager
def put_back(who: str, states: States) -> Iterator[None]:
    """Put global states back, and warn of those that have changed, once in a process."""
    changed: list[str] = []
    try:
        with keeping(states) as changed:
            yield
    finally:
        if changed:
            _warn(f"{who} changes {_listed(changed)}, which is put back")


@cache
def _warn(text: str) -> None:
    log.warning(text)


@contextmanager
def watching(model: nn.Module, who: str) -> Iterator[None]:
    """Raise `CellError` that names changed values, modes, flags, hooks and global states. Put global states back.

    Values are compared with a copy, since version counters miss changes through `.data` or NumPy. The 102 MB of
    ResNet-50 take 0.1 s on one core, four times as long as computing their magnitudes.
    """
    device = next(chain(model.parameters(), model.buffers()), torch.empty(0)).device
    values, facts = _described(model)
    values = {name: tensor.clone() for name, tensor in values.items()}
    with keeping(all_states(device)) as changed_states:
        yield
    values_now, facts_now = _described(model)
    changed = [*_different(values, values_now), *_different(facts, facts_now), *changed_states]
    if changed:
        raise CellError(f"{who} changes {_listed(changed)}; {_SCORE}")


def _listed(changed: Sequence[str]) -> str:
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return ", ".join(changed[:_SHOWN]) + more


def _described(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, object]]:
    """Give a network's values, and what else there is: training modes, hooks, and which parameters are trained."""
    parameters, buffers, facts = dict[str, Tensor](), dict[str, Tensor](), dict[str, object]()
    seen = set[Tensor]()
    for name, module in model.named_modules():
        where = f"of '{name}'" if name else "of the network"
        facts[f"the mode {where}"] = module.training
        facts[f"the hooks {where}"] = [list(getattr(module, kind)) for kind in _MODULE_HOOKS]
        start = f"{name}." if name else ""
        for key, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is None or tensor in seen:
                continue
            seen.add(tensor)
            if not isinstance(tensor, nn.Parameter):
                buffers[f"the buffer '{start}{key}'"] = tensor
                continue
            parameters[f"the parameter '{start}{key}'"] = tensor.detach()
            facts[f"requires_grad of '{start}{key}'"] = tensor.requires_grad
            facts[f"the hooks of '{start}{key}'"] = [
                list(getattr(tensor, kind, None) or ()) for kind in _PARAMETER_HOOKS
            ]
    return parameters | buffers, facts


def _different(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys((*before, *after))
    return [name for name in names if not _same(before.get(name), after.get(name))]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        alike = (one.dtype, one.device) == (other.dtype, other.device)
        return alike and (torch.equal(one, other) or torch.equal(one.nan_to_num(7), other.nan_to_num(7)))
    return bool(one == other)
