"""Networks that the user's own function builds: `--models module:function`."""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from operator import attrgetter
from pathlib import Path
from typing import Any

from torch import nn

from prunebench.errors import UserError, kind_of, unknown
from prunebench.paths import exists, user_path
from prunebench.plugins.guard import called, imported, why
from prunebench.plugins.model import Model
from prunebench.plugins.options import Option, Value, convert, literal, takes_any
from prunebench.plugins.sources import follow, is_installed

PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
NO_NAME = re.compile(r"\W|^(?=\d)")
_searched: list[str] = []  # folders in which models were looked for
_files: dict[str, Path] = {}  # by module: the file that a call has given, which the bare name then means, too
FACTS = ("channels", "size", "classes", "num_classes")


@dataclass(frozen=True)
class _Call:
    """Calls the function by argument names. A run's keys contain this object, with the hash of the function's file."""

    function: Callable[..., Any]
    label: str

    def __call__(self, channels: int, size: int, classes: int, **options: Value) -> nn.Module:
        facts = dict(zip(FACTS, (channels, size, classes, classes), strict=True))
        given = {name: facts[name] for name in _parameters(self.function) if name in facts} | options
        call = ", ".join(f"{name}={value!r}" for name, value in given.items())
        model = called(f"model '{self.label}' called with ({call})", lambda: self.function(**given), UserError)
        if not isinstance(model, nn.Module):
            raise UserError(f"model '{self.label}' gives {kind_of(model)}; it must return a torch.nn.Module")
        return model


def user_model(module: str, function: str, options: Mapping[str, str]) -> Model:
    """Make a model of a function or class that builds a network.

    module: of an installed package or of the working folder; or a file, `nets.py` or `path/to/nets.py`.

    The function may have the arguments `channels`, `size`, `classes` and `num_classes` (equal to `classes`). Its other
    arguments are options, which hold a number, a text or a truth value; so are those of ``**kwargs``.

    Raises:
        UserError: file, module or function do not exist, cannot be imported or called; an option does not exist, is
            missing, or would have to hold an object.
    """
    if module.endswith(".py"):
        file = _given_file(module, function)
        module = file.stem
        _files[module] = file
    label = f"{module}:{function}"
    builder = _find(module, function, label)
    if not callable(builder):
        raise UserError(
            f"model '{label}': {function} is of type {type(builder).__name__}, not a function that builds a network"
        )
    taken = {name: default for name, default in _parameters(builder).items() if name not in FACTS}
    allowed = {name: Option(type(default), default) for name, default in taken.items() if isinstance(default, Value)}
    open_names = {name for name, default in taken.items() if default in (None, inspect.Parameter.empty)}
    for name in taken.keys() - allowed.keys():
        needed = taken[name] is inspect.Parameter.empty and name not in options
        if needed or (name in options and name not in open_names):
            raise UserError(_needs_wrapper(module, function, name, needed))
    free = {name: text for name, text in options.items() if name in open_names}
    known = {name: text for name, text in options.items() if name not in open_names}
    values = convert(label, known, allowed, rest=_takes_any(builder)) | {n: literal(t) for n, t in free.items()}
    return Model(_Call(builder, label), name=module, argument=function, options=values, reference="the user's own")


def function_model(function: Callable[..., Any], name: str) -> Model:
    """Make a model of a function or class that was given as an object; see `user_model` for its arguments."""
    return Model(_Call(function, name), name=name, reference="the user's own")


def _given_file(text: str, function: str) -> Path:
    file = user_path(text)
    if not exists(file):
        raise UserError(f"model '{text}:{function}': {text}: no such file; give its path")
    if not file.stem.isidentifier():
        cure = f"rename the file, such as to {NO_NAME.sub('_', file.stem)}.py"
        raise UserError(f"model '{text}:{function}': '{file.stem}' is no name of a Python module; {cure}")
    return file.resolve()


def _find(module: str, function: str, label: str) -> Any:
    file = _files.get(module)
    folder = str(file.parent if file else Path.cwd())
    if not PATH.fullmatch(module) or not PATH.fullmatch(function):
        cure = "write module:function, such as mynets:small; options follow a comma, as in mynets:small,width=8"
        raise UserError(f"model '{label}': {cure}")
    follow(module)
    _search(folder)
    try:
        loaded = imported(f"model '{label}'", lambda: import_module(module))
    except BaseException as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent and f"{module}.".startswith(f"{absent}."):
            where = f"in {folder} or among the installed packages"
            what = f"there is no model '{module}', and no module '{absent}' {where}"
            cure = f"give its file, as in PATH/{module.replace('.', '/')}.py:{function}"
            raise UserError(f"unknown model '{label}': {what}; {cure}") from None
        raise UserError(f"model '{label}': {module} cannot be imported: {why(error)}") from error
    _check_place(module.partition(".")[0], folder, label)
    if file is not None and (place := _place(getattr(loaded, "__file__", None), None)) != file:
        raise UserError(f"model '{label}': Python has another module {module}, {place}; rename {file}")
    try:
        return attrgetter(function)(loaded)
    except AttributeError:
        known = [name for name, value in vars(loaded).items() if callable(value) and not name.startswith("_")]
        raise unknown("function", function, known, where=getattr(loaded, "__file__", None) or module) from None


def _search(folder: str) -> None:
    """Let imports find a folder, after installed packages and before the folders of earlier calls."""
    if folder not in _searched:
        earlier = [sys.path.index(one) for one in _searched if one in sys.path]
        if folder not in sys.path:
            sys.path.insert(min(earlier, default=len(sys.path)), folder)
        _searched.append(folder)


def _check_place(name: str, folder: str, label: str) -> None:
    """Raise `UserError` where Python already holds a module of this name from another folder."""
    here, loaded = PathFinder.find_spec(name, [folder]), sys.modules[name]
    places = [_place(here.origin, here.submodule_search_locations)] if here else []
    place = _place(getattr(loaded, "__file__", None), getattr(loaded, "__path__", None))
    if place is not None and places and place not in places and not is_installed(place):
        cure = "give one of them another name, or start Python again"
        raise UserError(f"model '{label}': {name} was imported before from {place}, not from {places[0]}; {cure}")


def _place(file: str | None, folders: Iterable[str] | None) -> Path | None:
    """Give the file of a module, or the folder of a package without `__init__.py`."""
    first = file or next(iter(folders or ()), None)
    return Path(first).resolve() if first else None


def _needs_wrapper(module: str, function: str, name: str, needed: bool) -> str:
    """Say how a function is called that wants an object, which no option can hold."""
    what = f"needs the argument '{name}': give {name}=VALUE" if needed else f"takes an object as '{name}'"
    lines = f"`from {module} import {function}`, `def wrapped(classes):`, `    return {function}({name}=...)`"
    cure = f"a function of your own gives an object; write these three lines into wrapper.py: {lines}"
    return f"model '{module}:{function}' {what}; {cure}; then give --models wrapper:wrapped"


def _takes_any(function: Callable[..., Any]) -> bool:
    try:
        return takes_any(function)
    except (TypeError, ValueError):
        return False


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the arguments that can be passed by name, with their defaults."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p.default for p in parameters if p.kind in by_name}
