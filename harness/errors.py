"""The two kinds of errors: bad input of the user, and a cell of the grid that fails."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class UserError(Exception):
    """Bad input of the user; the exit code is 2. One line says what was given, what is wrong and what to do."""


class CellError(Exception):
    """One cell of the grid cannot be computed; other cells continue. The text is the reason in the cell's record."""


def printable(text: str) -> str:
    r"""Escape what no terminal and no file can show: control characters, and halves of surrogate pairs.

    >>> print(printable("a\nb\x1b\udcff"))
    a\nb\x1b\udcff
    """
    shown = (c if c.isprintable() or c == "\u00a0" else ascii(c)[1:-1] for c in text)
    return text if text.isprintable() else "".join(shown)


def reason(error: BaseException) -> str:
    r"""Say in one line why a cell failed. Errors other than `CellError` are shown with their type.

    >>> reason(CellError("the loss is nan")), reason(ValueError("bad\nshape"))
    ('the loss is nan', 'ValueError: bad')
    """
    first = printable(str(error).partition("\n")[0])
    return first if isinstance(error, CellError) else f"{type(error).__name__}: {first}"


@contextmanager
def in_a_cell() -> Iterator[None]:
    """Let a `UserError` fail one cell, where it would end the run: other cells may not meet it."""
    try:
        yield
    except UserError as error:
        raise CellError(str(error)) from error


def unknown(kind: str, given: str, known: Iterable[str], where: str = "") -> UserError:
    """Make the error for an unknown name; the message suggests the nearest known name.

    >>> print(unknown("criterion", "tailor", ["taylor", "obd"]))
    unknown criterion 'tailor'; did you mean 'taylor'? Known: obd, taylor
    """
    names = sorted(known)
    near = get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" did you mean '{near[0]}'?" if near else ""
    place = f" in {where}" if where else ""
    return UserError(f"unknown {kind} '{given}'{place};{hint} Known: {', '.join(names) or 'none'}")


def check_choice(where: str, field: str, given: str, allowed: Iterable[str]) -> None:
    """Raise `UserError` if a field's value is not allowed."""
    if given not in set(allowed):
        raise unknown(field, str(given), allowed, where)
