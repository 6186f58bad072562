"""Plain arguments of a call: a wrong type is one clear line that names the argument."""

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from prunebench.errors import UserError
from prunebench.study.spec import Spec, split_list


def read_seed(given: Any) -> int:
    """Read one seed.

    >>> read_seed(3)
    3
    """
    if not _is_seed(given):
        raise UserError(f"seed={given!r}: give a whole number from 0, such as 0")
    return int(given)


def read_seeds(given: Any) -> str | None:
    """Write seeds as the command line does; a text is such a line.

    >>> read_seeds(range(3)), read_seeds("0-4")
    ('0,1,2', '0-4')
    """
    if given is None or isinstance(given, str):
        return given
    numbers = list(given) if isinstance(given, Iterable) and not isinstance(given, bytes | Mapping) else [given]
    if not numbers or not all(map(_is_seed, numbers)):
        raise UserError(f"seeds={given!r}: give whole numbers from 0, such as range(6) or [0, 3, 7]")
    return ",".join(str(int(one)) for one in numbers)


def read_shape(given: Any) -> tuple[int, int, int]:
    """Read the shape of a picture.

    >>> read_shape([1, 8, 8])
    (1, 8, 8)
    """
    numbers = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping) else ()
    if len(numbers) != 3 or not all(_is_seed(one) and one for one in numbers):
        raise UserError(f"shape={given!r}: give (channels, height, width) of one picture, such as (3, 32, 32)")
    channels, height, width = map(int, numbers)
    return channels, height, width


def read_plugins(given: Any, name: str) -> tuple[str, ...]:
    """Read files or modules of plugins.

    >>> read_plugins("mine.py", "plugin"), read_plugins(None, "plugin")
    (('mine.py',), ())
    """
    texts = [given] if isinstance(given, str | Path) else [] if given is None else given
    if not isinstance(texts, list | tuple) or not all(isinstance(one, str | Path) for one in texts):
        raise UserError(f"{name}={given!r}: give a file or module, or a list of them, such as 'mine.py'")
    return split_list([str(one) for one in texts])


def check_folder(given: Any, name: str) -> str | Path:
    """Return a path. Raises `UserError` for what is none."""
    if not isinstance(given, str | Path) or not str(given).strip():
        raise UserError(f"{name}={given!r}: give a path, such as '{name}'")
    return given


def check_flags(**given: Any) -> None:
    """Raise `UserError` for a value that is not true or false."""
    for name, value in given.items():
        if not isinstance(value, bool):
            raise UserError(f"{name}={value!r}: give True or False")


def check_number(given: Any, name: str, example: float) -> float:
    """Return a number. Raises `UserError` for what is none."""
    if not isinstance(given, Real) or isinstance(given, bool):
        raise UserError(f"{name}={given!r}: give a number, such as {example:g}")
    return float(given)


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse what a run would read as another value: emptiness as no value, a truth value as a number."""
    for name, value in given.items():
        default = Spec.model_fields[name].default
        if value in ("", [], (), {}) and value != default:
            raise UserError(f"{name}={value!r}: empty; leave {name} out for the default")
        if isinstance(value, bool) and not isinstance(default, bool):
            raise UserError(f"{name}={value}: not for a truth value; leave {name} out, or give a value")


def _is_seed(given: Any) -> bool:
    return isinstance(given, Integral) and not isinstance(given, bool) and int(given) >= 0
