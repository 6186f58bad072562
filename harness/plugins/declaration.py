"""What a criterion's record says, checked when it is made: a mistake is said at once, with what is allowed."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from prunebench.errors import UserError, unknown


def check_choice(where: str, field: str, given: str, allowed: Iterable[str]) -> None:
    """Raise `UserError` for a value that a field cannot have."""
    if given not in set(allowed):
        raise unknown(field, str(given), allowed, where)


def check_function(where: str, function: Callable[..., Any]) -> None:
    """Raise `UserError` for what is no function, takes `*args`, or tells options and arguments apart wrongly."""
    if not callable(function):
        raise UserError(f"{where}: the score is a {type(function).__name__}, not a function")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UserError(f"{where}: its score takes {parameter}; name each argument")
        option, default = parameter.kind is parameter.KEYWORD_ONLY, parameter.default is not parameter.empty
        if option and not default:
            raise UserError(f"{where}: option '{parameter.name}' of its score has no default")
        if default and not option:
            raise UserError(f"{where}: '{parameter.name}' has a default; options come after a *, evidence has none")
