"""Options in a name: `obd:curvature=exact`, `magnitude:p=1`, `folder:/data/pictures`."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

from prunebench.errors import UserError, unknown

Value = bool | int | float | str


def split_name(text: str) -> tuple[str, dict[str, str], str]:
    """Take a name apart into its head, its `key=value` options and a bare argument.

    >>> split_name("vgg11_bn:width=0.5")
    ('vgg11_bn', {'width': '0.5'}, '')
    >>> split_name("folder:/data/pictures,size=32")
    ('folder', {'size': '32'}, '/data/pictures')
    """
    head, _, rest = text.strip().partition(":")
    options: dict[str, str] = {}
    argument = ""
    for number, item in enumerate(part for part in rest.split(",") if part):
        key, equals, value = item.partition("=")
        if equals and key.isidentifier():
            if key in options:
                raise UserError(f"option {key} is given twice in '{text}'")
            if re.search(r"[:;]\w+=", value):
                raise UserError(
                    f"'{item}' in '{text}': options are separated by commas, as in {head}:key=value,key=value"
                )
            options[key] = value
        elif number == 0:
            argument = item
        else:
            raise UserError(f"'{item}' in '{text}' is not an option; write key=value")
    return head, options, argument


def keyword_defaults(function: Callable[..., Any]) -> dict[str, Value]:
    """Give the keyword-only arguments of a function with their defaults: these are its options.

    >>> def magnitude(weight, *, p=2.0): ...
    >>> keyword_defaults(magnitude)
    {'p': 2.0}
    """
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and isinstance(p.default, Value)}


@dataclass(frozen=True)
class AtLeast:
    """The lowest value that an option may have: `locations: Annotated[int, AtLeast(1)] = 10`."""

    least: float


def check_choices(where: str, function: Callable[..., Any], values: Mapping[str, Value]) -> None:
    """Refuse values of a function's options that their annotations exclude: a `Literal`, or one with `AtLeast`."""
    for name, parameter in inspect.signature(function).parameters.items():
        kind, allowed = get_origin(parameter.annotation), get_args(parameter.annotation)
        if kind is Literal and name in values and values[name] not in allowed:
            raise unknown(name, str(values[name]), allowed, where=f"'{where}'")
        for bound in allowed if kind is Annotated and name in values else ():
            if isinstance(bound, AtLeast) and float(values[name]) < bound.least:
                raise UserError(f"option {name}={_text(values[name])} of '{where}' must be at least {bound.least:g}")


def convert(where: str, given: Mapping[str, str | Value], defaults: Mapping[str, Value]) -> dict[str, Value]:
    """Convert the given texts to the types of the defaults; unknown keys and wrong values are user errors.

    >>> convert("magnitude", {"p": "1"}, {"p": 2.0})
    {'p': 1.0}
    """
    result: dict[str, Value] = {}
    for key, text in given.items():
        if key not in defaults:
            raise unknown("option", key, defaults, where=f"'{where}'")
        result[key] = _value(where, key, str(text), defaults[key])
    return result


def _value(where: str, key: str, text: str, default: Value) -> Value:
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        value = type(default)(text)
        if value != value:  # not a number
            raise ValueError
        return value
    except (ValueError, KeyError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}.get(type(default), "text")
        raise UserError(f"option {key}={text} of '{where}' must be {kind}") from None


def label(head: str, options: Mapping[str, Value], argument: str = "") -> str:
    """Write a name with its argument and options, the inverse of `split_name`.

    >>> label("magnitude", {"p": 1.0}), label("torchvision", {"weights": "DEFAULT"}, "vgg16")
    ('magnitude:p=1', 'torchvision:vgg16,weights=DEFAULT')
    """
    items = [argument] * bool(argument) + [f"{key}={_text(value)}" for key, value in sorted(options.items())]
    return f"{head}:{','.join(items)}" if items else head


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)
