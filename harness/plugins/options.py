"""Options in a name: `obd:curvature=exact`, `magnitude:p=1`, `folder:/data/pictures`."""

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from prunebench.errors import UserError, unknown

Value = bool | int | float | str


def split_name(text: str) -> tuple[str, dict[str, str], str]:
    """Split a name into its head, its `key=value` options and a bare argument.

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
                raise UserError(f"option {key} is given twice in '{text}'; give it once")
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


@dataclass(frozen=True)
class Option:
    """One option. kind: its type, which limits the values; default: the value if none is given."""

    kind: Any
    default: Value


Options = dict[str, Option]


def function_options(function: Callable[..., Any]) -> Options:
    """Return the options of a function: its keyword-only arguments that have a default.

    The annotation limits the values. pydantic checks them, so `Literal["a", "b"]` and
    `Annotated[int, Field(ge=1)]` work.

    >>> def magnitude(weight, *, p: float = 2.0): ...
    >>> function_options(magnitude)
    {'p': Option(kind=<class 'float'>, default=2.0)}
    """
    parameters = inspect.signature(function).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and isinstance(p.default, Value)}
    return _options(function, defaults)


def field_options(record: Any) -> Options:
    """Return the options of a frozen dataclass: its fields that hold a number, a text or a boolean.

    An object of another class has no options.
    """
    if not is_dataclass(record):
        return {}
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return _options(type(record), {name: value for name, value in values.items() if isinstance(value, Value)})


def keyword_defaults(function: Callable[..., Any]) -> dict[str, Value]:
    """Return the options of a function with their defaults.

    >>> def magnitude(weight, *, p=2.0): ...
    >>> keyword_defaults(magnitude)
    {'p': 2.0}
    """
    return {name: option.default for name, option in function_options(function).items()}


def takes_any(function: Callable[..., Any]) -> bool:
    """Tell whether a function takes arguments of any name.

    >>> takes_any(lambda **rest: 0), takes_any(lambda width: 0)
    (True, False)
    """
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


def literal(text: str) -> Value:
    """Read a number, a truth value or else a text.

    >>> literal("8"), literal("1e-3"), literal("true"), literal("silu")
    (8, 0.001, True, 'silu')
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def convert(where: str, given: Mapping[str, str], allowed: Options, rest: bool = False) -> dict[str, Value]:
    """Convert texts to the types of the options. Raises `UserError` for an unknown name and for a wrong value.

    rest: whether options of other names are taken as well, by `literal`.

    >>> convert("magnitude", {"p": "1"}, {"p": Option(float, 2.0)})
    {'p': 1.0}
    """
    for name in given:
        if name not in allowed and not rest:
            raise unknown("option", name, allowed, where=f"'{where}'")
    known = {name: _value(where, name, text, allowed[name]) for name, text in given.items() if name in allowed}
    return {name: known[name] if name in known else literal(text) for name, text in given.items()}


def _options(owner: Any, defaults: Mapping[str, Value]) -> Options:
    return {name: Option(_kind(owner, name, default), default) for name, default in defaults.items()}


def _kind(owner: Any, name: str, default: Value) -> Any:
    """Return the annotation of one option, or the plain type of the default where no usable annotation is there."""
    plain = next(kind for kind in (bool, int, float, str) if isinstance(default, kind))
    try:
        annotation, home = _annotation(owner, name)
        kind = eval(annotation, vars(sys.modules[home])) if isinstance(annotation, str) else annotation
        TypeAdapter(kind)
    except Exception:  # no annotation, one that names something undefined, or a type that pydantic does not know
        return plain
    return kind


def _annotation(owner: Any, name: str) -> tuple[Any, str]:
    """Return the annotation of a function's argument or a class's field, and the module where it is written."""
    declared = (one for one in getattr(owner, "__mro__", (owner,)) if name in inspect.get_annotations(one))
    home = next(declared)  # a field may be inherited from a class of another module
    return inspect.get_annotations(home)[name], home.__module__


def _value(where: str, name: str, text: str, option: Option) -> Value:
    if get_origin(option.kind) is Literal:
        allowed = {str(value): value for value in get_args(option.kind)}
        if text not in allowed:
            raise unknown(name, text, allowed, where=f"'{where}'")
        chosen: Value = allowed[text]
        return chosen
    if not isinstance(option.default, str) and text.strip(" +-").lower() == "nan":
        raise UserError(f"option {name}={text} of '{where}' must be a number")
    try:
        value: Value = TypeAdapter(option.kind).validate_python(text)
    except ValidationError as error:
        raise _wrong(where, name, text, error.errors()[0]) from None
    return value


_KINDS = {"bool_parsing": "true or false", "int_parsing": "a whole number", "float_parsing": "a number"}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def _wrong(where: str, name: str, text: str, error: Any) -> UserError:
    return UserError(f"option {name}={text} of '{where}' {plain_error(error)}")


def plain_error(error: Any) -> str:
    """Put one of pydantic's errors in plain words.

    >>> plain_error({"type": "greater_than_equal", "ctx": {"ge": 1}})
    'must be at least 1'
    """
    kind = error["type"]
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {error['ctx'][key]:g}"
    if kind == "literal_error":
        return f"must be {error['ctx']['expected']}"
    allowed = _KINDS.get(kind) or ("a whole number" if kind.startswith("int") else "")
    return f"must be {allowed}" if allowed else str(error["msg"]).removeprefix("Value error, ")


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
