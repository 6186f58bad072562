"""Hash a function, class or object by what it is now, for what no file holds: notebooks, closures, networks.

A function is its compiled code, its defaults, and the values that it reads from outside. Comments do not count. Only
what is surely understood is hashed: exact types of Python, and objects that consist of attributes.
"""

import builtins
import functools
import hashlib
import logging
import pathlib
import re
import sys
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prunebench.errors import kind_of
from prunebench.plugins.reading import (
    UnreadableError,
    attributes,
    globals_read,
    has_only_attributes,
    imported,
    imports,
    is_named,
    is_own,
    module_texts,
    names,
)

__all__ = ["UnreadableError", "content"]

_PLAIN: set[type] = {type(None), type(...), type(NotImplemented), bool, int, float, complex, str, bytes, range}
_PLAIN |= {torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size}
_PLAIN |= {pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath}
_DESCRIPTORS: tuple[type, ...] = (types.MethodDescriptorType, types.WrapperDescriptorType, types.GetSetDescriptorType)
_DESCRIPTORS += (types.MemberDescriptorType, types.ClassMethodDescriptorType)
_CACHED = type(functools.lru_cache(len))
_SKIPPED = {"__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__abstractmethods__", "_abc_impl"}
_SKIPPED |= {"__annotations__", "__annotations_cache__", "__annotate__", "__annotate_func__", "__firstlineno__"}
_SKIPPED |= {"__static_attributes__", "__dataclass_fields__"}
_OF_FIELDS = ("name", "default", "default_factory", "init", "kw_only", "compare", "hash", "repr")
_OF_MODULES = ("training", "_is_full_backward_hook")  # of a network: set by the harness
# By these, code reaches what it does not name.
_DYNAMIC = {builtins.eval, builtins.exec, builtins.compile, builtins.globals, builtins.__import__}
_DYNAMIC_MODULES = {"builtins", "ctypes", "gc", "importlib", "inspect", "pkgutil", "runpy", "sys"}
_DYNAMIC_NAMES = {"__globals__", "__builtins__", "f_globals", "f_locals", "f_back"}


def content(thing: object) -> str:
    """Hash what decides the behaviour of a thing into 16 hex digits.

    Code of Python, of libraries and of PruneBench itself counts by its name. Raises `UnreadableError`.

    >>> def scale(power): return lambda weight: weight ** power
    >>> content(scale(2)) == content(scale(2)) != content(scale(3))
    True
    """
    walk = _Walk()
    try:
        walk.add(thing)
    except RecursionError as error:
        raise UnreadableError("parts within parts without an end") from error
    return walk.digest.hexdigest()[:16]


class _Walk:
    """Walks through a thing and everything that belongs to it, each object once."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.seen: dict[int, int] = {}
        self.held: list[object] = []  # or a new object could get the number of one that is gone
        self.open: set[int] = set()  # containers around the present part
        self.of_type: dict[type, Callable[[Any], None]] = {
            **dict.fromkeys((Tensor, nn.Parameter), self._tensor),
            **dict.fromkeys((dict, OrderedDict), self._dict),
            **dict.fromkeys((set, frozenset), lambda thing: self.put("set", *sorted(map(content, thing)))),
            **dict.fromkeys((staticmethod, classmethod), lambda thing: self._each([thing.__func__])),
            **dict.fromkeys((logging.Logger, logging.RootLogger), lambda thing: self.put(thing.name)),
            **dict.fromkeys((types.BuiltinMethodType, types.MethodWrapperType), self._builtin),
            **dict.fromkeys(_DESCRIPTORS, lambda thing: self._each([thing.__objclass__, thing.__name__])),
            np.ndarray: self._array,
            types.FunctionType: self._function,
            types.CodeType: self._code,
            types.MethodType: lambda thing: self._each([thing.__func__, thing.__self__]),
            types.ModuleType: lambda thing: self._module_named(thing.__name__),
            functools.partial: lambda thing: self._each([thing.func, thing.args, thing.keywords, vars(thing)]),
            property: lambda thing: self._each([thing.fget, thing.fset, thing.fdel]),
            re.Pattern: lambda thing: self._each([thing.pattern, thing.flags]),
            weakref.ref: lambda thing: self._each([thing()]),
            _CACHED: lambda thing: self._each([thing.__wrapped__]),
        }

    def put(self, *words: object) -> None:
        for word in words:
            text = word if isinstance(word, bytes) else str(word).encode(errors="surrogatepass")
            self.digest.update(b"%d:" % len(text) + text)

    def add(self, thing: Any) -> None:
        kind = type(thing)
        self.put(kind.__module__, kind.__qualname__)
        if kind in _PLAIN:
            self.put(hex(thing) if kind is int else repr(thing))
        elif kind in (tuple, list):
            self._inside(thing, self._each)
        elif id(thing) in self.seen and id(thing) not in self.open:
            self.put("again", self.seen[id(thing)])
        elif kind in (dict, OrderedDict):
            self._inside(thing, self._dict)
        else:
            self.seen[id(thing)] = len(self.seen)
            self.held.append(thing)
            self.of_type.get(kind, self._other)(thing)

    def _inside(self, container: Any, walk: Callable[[Any], None]) -> None:
        if id(container) in self.open:
            raise UnreadableError(f"{kind_of(container)} that contains itself")
        self.open.add(id(container))
        self.held.append(container)
        walk(container)
        self.open.remove(id(container))

    def _each(self, things: Any) -> None:
        self.put(len(things))
        for thing in things:
            self.add(thing)

    def _dict(self, thing: dict[Any, Any]) -> None:
        self._each(list(thing.keys()))
        self._each(list(thing.values()))

    def _tensor(self, tensor: Tensor) -> None:
        if tensor.grad_fn is not None or tensor._backward_hooks:
            raise UnreadableError("a tensor with a graph of gradients")
        try:
            values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        except (RuntimeError, TypeError, ValueError) as error:
            raise UnreadableError(f"a tensor of {tensor.dtype} and {tensor.layout}") from error
        self.put(tensor.dtype, tuple(tensor.shape), tensor.requires_grad, tensor.device.type, values)
        self.put("" if tensor.is_contiguous() else tensor.stride())
        self._each([tensor.grad, vars(tensor)])

    def _array(self, array: Any) -> None:
        if array.dtype.hasobject:
            raise UnreadableError("an array of objects")
        self.put(array.dtype, array.shape, array.tobytes())
        self.put("" if array.flags.c_contiguous else array.strides)

    def _builtin(self, thing: Any) -> None:
        if thing in _DYNAMIC:
            raise UnreadableError(f"{thing.__name__}(), which reaches what no code names")
        owner = thing.__self__
        self.put(thing.__module__, thing.__qualname__)
        self.add(owner.__name__ if isinstance(owner, types.ModuleType) else owner)

    def _function(self, function: types.FunctionType) -> None:
        home = str(function.__globals__.get("__name__"))
        self.put(home if not is_own(home) else "")
        if is_named(function, home, function.__qualname__):
            self.put(function.__qualname__)
            return
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
        self._each([function.__code__, function.__defaults__, function.__kwdefaults__, vars(function), cells])
        if is_own(home):
            self._outside(function)

    def _outside(self, function: types.FunctionType) -> None:
        """Add what a function of the user reads from outside."""
        modules = list(imports(function))
        for name, value in globals_read(function).items():
            self.put("global", name)
            self.add(value)
            modules += [value.__name__] if type(value) is types.ModuleType else []
        for module in modules:
            self._imported(module, names(function), set())

    def _imported(self, module: str, said: set[str], done: set[str]) -> None:
        """Add a module with those above it, and what code may read of it now. said: the names in the code."""
        parts = module.split(".")
        for name in (".".join(parts[: length + 1]) for length in range(len(parts))):
            if name in done:
                continue
            done.add(name)
            self._module_named(name)
            known = vars(imported(name)) if is_own(name) else {}
            for attribute in sorted(said & {*known}):
                self.put("attribute", attribute)
                self.add(known[attribute])
                if type(known[attribute]) is types.ModuleType:
                    self._imported(known[attribute].__name__, said, done)

    def _code(self, code: types.CodeType) -> None:
        if found := _DYNAMIC_NAMES & {*code.co_names}:
            raise UnreadableError(f"{min(found)}, which reaches what no code names")
        self.put(code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        self.put(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        self.put(code.co_exceptiontable)
        self._each(code.co_consts)

    def _class(self, kind: type) -> None:
        self.put(kind.__qualname__)
        if is_named(kind, kind.__module__, kind.__qualname__):
            return
        self._each([kind.__bases__, type(kind), list(vars(kind).get("__annotations__", ()))])
        self.put(vars(kind).get("__dataclass_params__"))
        for field in vars(kind).get("__dataclass_fields__", {}).values():
            self.put(field._field_type)
            self._each([*(getattr(field, name) for name in _OF_FIELDS), dict(field.metadata)])
        for name, value in vars(kind).items():
            if name not in _SKIPPED and name != "__dataclass_params__":
                self.put(name)
                self.add(value)

    def _module_named(self, name: str) -> None:
        top = name.partition(".")[0]
        if top in _DYNAMIC_MODULES:
            raise UnreadableError(f"the module {top}, which reaches what no code names")
        if is_own(name):
            self.put(name, *module_texts(name))
        else:
            self.put(name, getattr(sys.modules.get(top), "__version__", ""))

    def _other(self, thing: Any) -> None:
        if isinstance(thing, type):
            self._class(thing)
        elif isinstance(thing, np.generic) and type(thing).__module__ == "numpy":
            self._array(np.asarray(thing))
        elif type(thing) is np.ufunc and getattr(np, str(thing.__name__), None) is thing:
            self.put(repr(thing))
        elif has_only_attributes(type(thing)):
            self._object(thing)
        else:
            raise UnreadableError(f"an object of type {type(thing).__name__}")

    def _object(self, thing: Any) -> None:
        self.add(type(thing))
        skipped = _OF_MODULES if isinstance(thing, nn.Module) else ()
        for name, value in sorted(attributes(thing).items()):
            if name not in skipped:
                self.put(name)
                by_number = isinstance(thing, nn.Module) and "_hooks" in name and isinstance(value, dict)
                self.add(list(value.values()) if by_number else value)  # the numbers differ from process to process


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is not bound yet
        return False
