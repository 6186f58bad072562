"""Hash a function, class or object by what it is now, for what no file holds: notebooks, closures, networks.

A function is its compiled code, its defaults, and the values that it reads from outside. Comments do not count.
"""

import dis
import enum
import functools
import hashlib
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunebench.plugins.sources import MAIN, PLUGIN_PACKAGES, is_standard

_PLAIN = (bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size, torch.memory_format, Path)
_BUILTIN = (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType)
_SKIPPED = {
    "__dict__",
    "__weakref__",
    "__doc__",
    "__module__",
    "__annotations__",
    "__qualname__",
    "__abstractmethods__",
}
_SKIPPED |= {"__firstlineno__", "__static_attributes__", "__annotate_func__", "__annotate__", "_abc_impl"}
_SKIPPED |= {"__dataclass_fields__", "__dataclass_params__", "__match_args__", "__annotations_cache__"}
_WRITTEN = {"__repr__", "__eq__", "__hash__", "__lt__", "__le__", "__gt__", "__ge__"}  # by dataclass
_WRITTEN |= {"__setattr__", "__delattr__", "__replace__", "__getstate__", "__setstate__"}
_OF_MODULES = ("training", "_is_full_backward_hook")  # of a network: set by the harness


class UnreadableError(Exception):
    """A part of a thing cannot be hashed, such as an open file; the text names the part."""


def content(thing: object) -> str:
    """Hash what decides the behaviour of a thing into 16 hex digits.

    Code of Python, of libraries and of PruneBench itself counts by its name. Raises `UnreadableError`.

    >>> def scale(power): return lambda weight: weight ** power
    >>> content(scale(2)) == content(scale(2)) != content(scale(3))
    True
    """
    walk = _Walk()
    walk.add(thing)
    return walk.digest.hexdigest()[:16]


class _Walk:
    """Walks through a thing and everything that belongs to it, each object once."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.seen: dict[int, int] = {}
        self.held: list[object] = []  # or a new object could get the number of one that is gone

    def put(self, *words: object) -> None:
        for word in words:
            text = word if isinstance(word, bytes) else str(word).encode(errors="surrogatepass")
            self.digest.update(b"%d:" % len(text) + text)

    def add(self, thing: Any) -> None:
        if thing is None or thing is ... or isinstance(thing, _PLAIN):
            self.put(type(thing).__name__, repr(thing))
        elif isinstance(thing, tuple | list):
            self._each("sequence", thing)
        elif isinstance(thing, set | frozenset):
            self.put("set", *sorted(content(item) for item in thing))
        elif isinstance(thing, Tensor | np.ndarray | np.generic):
            self._array(thing)
        elif id(thing) in self.seen:
            self.put("again", self.seen[id(thing)])
        else:
            self.seen[id(thing)] = len(self.seen)
            self.held.append(thing)
            self._object(thing)

    def _each(self, kind: str, things: Any) -> None:
        things = list(things)
        self.put(kind, len(things))
        for thing in things:
            self.add(thing)

    def _array(self, array: Any) -> None:
        try:
            if isinstance(array, Tensor):
                values = array.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
            else:
                values = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        except (RuntimeError, TypeError, ValueError) as error:
            raise UnreadableError(f"an array of {array.dtype}") from error
        trained = getattr(array, "requires_grad", None)
        self.put("array", array.dtype, tuple(array.shape), trained, values.tobytes())

    def _object(self, thing: Any) -> None:
        match thing:
            case Mapping():
                self._each("keys", thing.keys())
                self._each("values", thing.values())
            case types.FunctionType():
                self._function(thing)
            case types.CodeType():
                self._code(thing)
            case types.MethodType():
                self._each("method", (thing.__func__, thing.__self__))
            case functools.partial():
                self._each("partial", (thing.func, thing.args, thing.keywords))
            case staticmethod() | classmethod():
                self._each(type(thing).__name__, [thing.__func__])
            case property():
                self._each("property", (thing.fget, thing.fset))
            case type():
                self._class(thing)
            case enum.Enum():
                self._each(thing.name, [type(thing)])
            case types.ModuleType():
                self._module(thing)
            case nn.Module():
                self._network(thing)
            case _ if isinstance(thing, _BUILTIN):
                self.put("builtin", getattr(thing, "__module__", ""), thing.__qualname__)
            case _:
                self._reduced(thing)

    def _function(self, function: types.FunctionType) -> None:
        home = str(function.__globals__.get("__name__"))
        if _is_own(home):
            self.add(function.__code__)
            self._each("defaults", (function.__defaults__, function.__kwdefaults__))
            for name in dict.fromkeys(_globals_of(function.__code__)):
                if name in function.__globals__:
                    self.put("global", name)
                    self.add(function.__globals__[name])
        else:
            self.put("library", home, function.__code__.co_qualname)
        for cell in function.__closure__ or ():
            if _is_filled(cell):
                self.add(cell.cell_contents)

    def _code(self, code: types.CodeType) -> None:
        self.put("code", code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        self.put(code.co_argcount, code.co_kwonlyargcount, code.co_flags, code.co_exceptiontable)
        self._each("constants", code.co_consts)

    def _class(self, kind: type) -> None:
        if not _is_own(kind.__module__):
            self.put("library", kind.__module__, kind.__qualname__)
            return
        self.put("class", kind.__qualname__)
        self._each("bases", kind.__bases__)
        decorated = vars(kind).get("__dataclass_params__")
        skipped = (
            _SKIPPED | (_WRITTEN if decorated else set()) | ({"__init__"} if decorated and decorated.init else set())
        )
        for name, value in sorted(vars(kind).items()):
            if name not in skipped:
                self.put(name)
                self.add(value)

    def _module(self, module: types.ModuleType) -> None:
        from prunebench.plugins.discovery import source_hash

        own = _is_own(module.__name__) and getattr(module, "__file__", None)
        self.put("module", module.__name__, source_hash(module) if own else "")

    def _network(self, module: nn.Module) -> None:
        self.add(type(module))
        for name, value in sorted(vars(module).items()):
            if name not in _OF_MODULES:
                self.put(name)
                by_number = "_hooks" in name and isinstance(value, Mapping)  # numbers differ from process to process
                self.add(list(value.values()) if by_number else value)

    def _reduced(self, thing: object) -> None:
        """Add any other object by what pickle would take of it."""
        try:
            parts: Any = thing.__reduce_ex__(4)
        except Exception as error:
            raise UnreadableError(f"an object of type {type(thing).__name__}") from error
        if isinstance(parts, str):
            self.put("named", type(thing).__module__, parts)
        else:
            self._each("object", [list(part) if isinstance(part, Iterator) else part for part in parts])


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is not bound yet
        return False


def _globals_of(code: types.CodeType) -> Iterator[str]:
    """Yield the names that code reads from its module, in the order of the code."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_of(constant)


def _is_own(name: str) -> bool:
    """Tell whether a module is the user's own, not one of Python, of a library or of PruneBench."""
    if name.partition(".")[0] == "prunebench":
        return name.startswith(PLUGIN_PACKAGES)
    module = sys.modules.get(name)
    return name in MAIN or module is None or not is_standard(module)
