"""The two ways in which something goes wrong: the user's input, and one cell of the grid."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Bad input. One line that says what was given, what is allowed and where; the exit code is 2."""


class CellError(Exception):
    """One cell of the grid cannot be computed; the others go on. The text is the reason shown in its record."""


def reason(error: Exception) -> str:
    r"""Put on one line why a cell failed; an error that is not ours with its type.

    >>> reason(CellError("the loss is nan")), reason(ValueError("bad\nshape"))
    ('the loss is nan', 'ValueError: bad')
    """
    first = str(error).partition("\n")[0]
    return first if isinstance(error, CellError) else f"{type(error).__name__}: {first}"


def unknown(kind: str, given: str, known: Iterable[str], where: str = "") -> UserError:
    """Say that a name does not exist, with the nearest one that does.

    >>> print(unknown("criterion", "tailor", ["taylor", "obd"]))
    unknown criterion 'tailor'; did you mean 'taylor'? Known: obd, taylor
    """
    names = sorted(known)
    near = get_close_matches(given, names, n=1, cutoff=0.5)
    hint = f" did you mean '{near[0]}'?" if near else ""
    place = f" in {where}" if where else ""
    return UserError(f"unknown {kind} '{given}'{place};{hint} Known: {', '.join(names) or 'none'}")


def check_choice(where: str, field: str, given: str, allowed: Iterable[str]) -> None:
    """Raise `UserError` for a value that a field cannot have."""
    if given not in set(allowed):
        raise unknown(field, str(given), allowed, where)
