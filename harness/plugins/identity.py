"""Identity of a plugin as JSON values: its names, its options and a hash of its source or of its content."""

import functools
import sys
import types
import uuid
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch

from prunebench.errors import UserError
from prunebench.plugins.content import UnreadableError, content
from prunebench.plugins.discovery import source_hash
from prunebench.plugins.sources import MAIN, PLUGIN_PACKAGES, check, is_standard, source

_PROSE = {"reference", "licence", "citation", "source", "takes_argument", "costly"}  # decide no result
_LATER = {"of_blocks"}  # where it is None, keys are those of before there was such a field
_EXACT = (bool, int, float, str, functools.partial, dict, types.MappingProxyType, list, tuple)
_SIMPLE = (*_EXACT, Mapping)
_unreadable: dict[int, tuple[object, str, str]] = {}  # by id: the thing, its key of this run, and why
_told: set[str] = set()  # what `newly_unreadable` has said


class Keyed:
    """An object that says itself what decides its results. key: a hash, made once."""

    key: str


def unreadable() -> list[str]:
    """Say what could not be hashed since `forget_unreadable`; such things get another key in every run."""
    return [f"{getattr(thing, '__name__', type(thing).__name__)} holds {why}" for thing, _, why in _unreadable.values()]


def newly_unreadable() -> list[str]:
    """Say of `unreadable` what this function has not said since `forget_unreadable`."""
    new = [text for text in dict.fromkeys(unreadable()) if text not in _told]
    _told.update(new)
    return new


def forget_unreadable() -> None:
    """Give things that cannot be hashed new keys from now on, so that nothing computed with them is used again."""
    _unreadable.clear()
    _told.clear()


def identity(thing: Any) -> Any:
    """Describe a criterion, regulariser, model or dataset so that equal descriptions give equal results.

    A function is described by its name and the hash of its file, so an edited plugin has another description. Where no
    file holds it, as in a notebook or a closure, its content is hashed, see `content`.

    >>> identity(0.5), identity(None), identity({"p": 1})
    (0.5, None, {'p': 1})
    """
    if isinstance(thing, _SIMPLE) and type(thing) not in _EXACT:  # of a subclass, which may behave in another way
        return _content(thing)
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, Keyed):
        return thing.key
    if isinstance(thing, functools.partial):
        return [identity(thing.func), identity(thing.args), identity(thing.keywords)]
    if is_dataclass(thing) and not isinstance(thing, type):
        values = {f.name: getattr(thing, f.name) for f in fields(thing) if f.name not in _PROSE}
        values = {name: value for name, value in values.items() if value is not None or name not in _LATER}
        parts = {name: identity(value) for name, value in values.items()}
        return {"type": type(thing).__qualname__, "file": _file_hash(type(thing)), **parts}
    if isinstance(thing, Mapping):
        return {str(key): identity(value) for key, value in sorted(thing.items())}
    if isinstance(thing, list | tuple):
        return [identity(item) for item in thing]
    if isinstance(thing, torch.dtype):
        return str(thing)
    if isinstance(thing, torch.nn.Module | torch.Tensor):
        return _content(thing)
    if isinstance(thing, types.MethodType):
        return [identity(thing.__func__), identity(thing.__self__)]
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    if isinstance(thing, type | types.FunctionType | types.BuiltinFunctionType):
        return [name, _file_hash(thing)]
    if hasattr(thing, "__dict__"):  # an object of a plugin's own class
        return [name, _file_hash(thing), _content(thing)]
    raise UserError(f"cannot describe {thing!r} in the keys of results; a plugin holds numbers, texts and functions")


def _file_hash(thing: Any) -> str:
    """Hash the module that defines a function or class, with the plugin files that the module imports.

    The harness itself is not hashed. A change of the harness that changes results raises `PROTOCOL_VERSION`.
    """
    name = getattr(thing, "__module__", "") or type(thing).__module__
    if name.partition(".")[0] == "prunebench" and not name.startswith(PLUGIN_PACKAGES):
        return "prunebench"
    kind = thing if isinstance(thing, type | types.FunctionType | types.BuiltinFunctionType) else type(thing)
    if _in_no_file(kind, name):
        return _content(kind)
    found = source(name) if name in sys.modules else None
    if found is None:
        return "builtin"
    check(sys.modules[name], vars(thing).values() if isinstance(thing, type) else [thing])
    return _module_hash(sys.modules[name], found.text)


def _in_no_file(thing: Any, name: str) -> bool:
    """Tell whether the file of a module does not say what a thing of it is. name: of the module."""
    if name.startswith(PLUGIN_PACKAGES) or isinstance(thing, types.BuiltinFunctionType):
        return False
    module = sys.modules.get(name)
    if name in MAIN or module is None:
        return True
    without_file = getattr(module, "__file__", None) is None and not is_standard(module)
    return without_file or getattr(thing, "__closure__", None) is not None or "<lambda>" in thing.__qualname__


def _content(thing: Any) -> str:
    if id(thing) in _unreadable:
        return _unreadable[id(thing)][1]
    try:
        return content(thing)
    except UnreadableError as error:
        _unreadable[id(thing)] = thing, uuid.uuid4().hex[:16], str(error)
        return _unreadable[id(thing)][1]


@functools.cache
def _module_hash(module: types.ModuleType, text: bytes) -> str:
    """Hash a module that has run a text, once in a process."""
    return source_hash(module)[:16]
