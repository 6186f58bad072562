"""What code reads from outside itself: the names of its module, and the modules that its body imports."""

import builtins
import dis
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prunebench.plugins.discovery import source_hash_of
from prunebench.plugins.sources import (
    MAIN,
    PLUGIN_PACKAGES,
    is_standard,
    is_standard_file,
    source,
    spec_of,
    text_of,
)

_READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_MADE_LATER = 1 << 9  # flag of classes that are not built into a program
_WORD = tuple.__itemsize__


class UnreadableError(Exception):
    """A part of a thing cannot be hashed, such as an open file; the text names the part."""


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield code and what is nested in it, such as inner functions."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def names(function: types.FunctionType) -> set[str]:
    """Return all names that a function says, those of attributes among them."""
    return {name for code in codes(function.__code__) for name in code.co_names}


def globals_read(function: types.FunctionType) -> dict[str, Any]:
    """Return the values that a function reads from its module or from Python, in the order of its code."""
    known = vars(builtins) | function.__globals__
    steps = (step for code in codes(function.__code__) for step in dis.get_instructions(code))
    read = dict.fromkeys(str(step.argval) for step in steps if step.opname in _READS)
    return {name: known[name] for name in read if name in known}


def imports(function: types.FunctionType) -> Iterator[str]:
    """Yield the modules that the body of a function imports. Raises `UnreadableError` where that is not clear."""
    for code in codes(function.__code__):
        steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
        for place, step in enumerate(steps):
            if step.opname == "IMPORT_NAME":
                level = steps[place - 2].argval
                yield _absolute(str(step.argval), level, function.__globals__.get("__package__"))


def imported(name: str) -> types.ModuleType:
    """Import a module that code will import, so that its key is the same before and after."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise UnreadableError(f"the module {name}, which cannot be imported") from error


def _absolute(name: str, level: object, package: object) -> str:
    if not isinstance(level, int) or (level and not isinstance(package, str)):
        raise UnreadableError(f"an import of {name}")
    try:
        return importlib.util.resolve_name("." * level + name, str(package))
    except ImportError as error:
        raise UnreadableError(f"an import of {name}") from error


def is_own(name: str) -> bool:
    """Tell whether a module is the user's own, not one of Python, of a library or of PruneBench."""
    top = name.partition(".")[0]
    if top == "prunebench":
        return name.startswith(PLUGIN_PACKAGES)
    if name in MAIN or top in sys.stdlib_module_names:
        return name in MAIN
    module = sys.modules.get(name)
    if module is not None and is_standard(module):
        return False
    return not any(is_standard_file(place) for place in _places(name))


def _places(name: str) -> list[Path]:
    """Return the folders of a package, or the file of a module that is not imported."""
    spec = spec_of(name)
    if spec is None:
        return []
    folders = spec.submodule_search_locations
    return [Path(folder) for folder in folders or ()] or ([Path(str(spec.origin))] if spec.has_location else [])


def module_texts(name: str) -> Iterator[object]:
    """Yield what stands for an own module: the hash of its source, and of all files of a package.

    Raises `UnreadableError` for a module without a source file.
    """
    found = source(name)
    spec = spec_of(name)
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if found is None and not folders:
        raise UnreadableError(f"the module {name}, which has no source file")
    yield source_hash_of(name)
    for folder in folders:
        for file in sorted(Path(folder).rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            below = source(".".join((name, *(part for part in parts if part != "__init__"))))
            yield from (parts, below.text if below is not None else text_of(file))


def is_named(thing: Any, module: str, path: str) -> bool:
    """Tell whether a name in a library leads to the thing, so that the name says all."""
    if is_own(module) or module not in sys.modules:
        return False
    if isinstance(thing, type) and not thing.__flags__ & _MADE_LATER:
        return True
    found: Any = sys.modules[module]
    for name in path.split("."):
        found = getattr(found, "__dict__", {}).get(name)
    return getattr(found, "__func__", found) is thing


def has_only_attributes(kind: type) -> bool:
    """Tell whether objects of a class consist of attributes, with no state that only compiled code knows."""
    if not all(base.__flags__ & _MADE_LATER for base in kind.__mro__[:-1]):
        return False
    words = len(_slots(kind)) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return kind.__itemsize__ == 0 and kind.__basicsize__ == object.__basicsize__ + _WORD * words


def attributes(thing: Any) -> dict[str, Any]:
    """Return the attributes of an object, those in slots among them."""
    found = dict(getattr(thing, "__dict__", {}))
    for number, slot in enumerate(_slots(type(thing))):
        try:
            found[f"{slot.__name__} {number}"] = slot.__get__(thing)
        except AttributeError:  # nothing is in the slot
            continue
    return found


def _slots(kind: type) -> list[types.MemberDescriptorType]:
    return [one for base in kind.__mro__ for one in vars(base).values() if type(one) is types.MemberDescriptorType]
