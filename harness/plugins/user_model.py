"""A network that the user's own function makes: `--models module:function`."""

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from torch import nn

from prunebench.errors import UserError, unknown
from prunebench.plugins.discovery import failure
from prunebench.plugins.model import Model
from prunebench.plugins.options import Option, Value, convert

PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
FACTS = ("channels", "size", "classes", "num_classes")


@dataclass(frozen=True)
class _Call:
    """Calls the function with what it takes by name. It is in a run's keys, with the hash of the function's file."""

    function: Callable[..., Any]
    label: str

    def __call__(self, channels: int, size: int, classes: int, **options: Value) -> nn.Module:
        facts = dict(zip(FACTS, (channels, size, classes, classes), strict=True))
        given = {name: facts[name] for name in _parameters(self.function) if name in facts} | options
        try:
            model = self.function(**given)
        except UserError:
            raise
        except Exception as error:
            call = ", ".join(f"{name}={value!r}" for name, value in given.items())
            raise UserError(f"model '{self.label}' fails when called with ({call}): {failure(error)}") from error
        if not isinstance(model, nn.Module):
            raise UserError(f"model '{self.label}' gives a {type(model).__name__}, it must give a torch.nn.Module")
        return model


def user_model(module: str, function: str, options: Mapping[str, str]) -> Model:
    """Make a model of a function that gives a network, found in an installed package or in the working folder.

    The function is called with those of `channels`, `size`, `classes` and `num_classes` (the same) that it has as
    arguments; its other arguments with a number, text or truth value as default are options. A class does, too.

    Raises:
        UserError: module or function do not exist, cannot be imported or called; an option does not exist.
    """
    label = f"{module}:{function}"
    found = _find(module, function, label)
    if not callable(found):
        raise UserError(
            f"model '{label}': {function} is of type {type(found).__name__}, not a function that gives a network"
        )
    taken = {name: default for name, default in _parameters(found).items() if name not in FACTS}
    allowed = {name: Option(type(default), default) for name, default in taken.items() if isinstance(default, Value)}
    values = convert(label, options, allowed)
    return Model(_Call(found, label), name=module, argument=function, options=values, reference="the user's own")


def _find(module: str, function: str, label: str) -> Any:
    if not PATH.fullmatch(module) or not PATH.fullmatch(function):
        raise UserError(f"model '{label}': write module:function, such as mynets:small or package.nets:small")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # at the end: no file of the working folder may stand in for an installed package
    try:
        loaded = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise UserError(f"model '{label}': {module} cannot be imported: {failure(error)}") from error
        raise UserError(
            f"unknown model '{label}': there is no model of that name, and no module '{error.name}' "
            f"in {folder} or among the installed packages"
        ) from None
    except Exception as error:
        raise UserError(f"model '{label}': {module} cannot be imported: {failure(error)}") from error
    try:
        return attrgetter(function)(loaded)
    except AttributeError:
        known = [name for name, value in vars(loaded).items() if callable(value) and not name.startswith("_")]
        raise unknown("function", function, known, where=getattr(loaded, "__file__", None) or module) from None


def _parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """Give the arguments that can be given by name, with their defaults."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p.default for p in parameters if p.kind in by_name}
