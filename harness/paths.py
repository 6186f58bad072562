"""Paths that a user typed: any text may be given, and none of them crashes."""

import os
from pathlib import Path


def user_path(text: str | Path) -> Path:
    """Return a path with `~` replaced by the home folder, where the system knows it.

    >>> user_path("~nobody-of-this-name/a")
    PosixPath('~nobody-of-this-name/a')
    """
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:  # no such user
        return path


def absolute(text: str | Path) -> Path:
    """Return an absolute path. Links stay, as `resolve()` would follow them."""
    return Path(os.path.abspath(user_path(text)))  # noqa: PTH100


def real(path: Path) -> Path:
    """Return an absolute path with links followed; of a loop of links, the path where it begins.

    >>> real(Path("/a/../b"))
    PosixPath('/b')
    """
    return Path(os.path.realpath(path))


def exists(path: Path) -> bool:
    """Tell whether a file or folder exists; a text that can be no path, such as a long list, names none.

    >>> exists(Path("magnitude taylor " * 50)), exists(Path())
    (False, True)
    """
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
