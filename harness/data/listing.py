"""List the picture files below a folder; count what is left out."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from prunebench.data.streaming import Files
from prunebench.errors import UserError

SUFFIXES = (
    *(".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jp2", ".png", ".tga", ".tif", ".tiff", ".webp"),
    *(".jfif", ".jif", ".jpe", ".jpeg", ".jpg"),
    *(".pbm", ".pgm", ".pnm", ".ppm"),
)
LEFTOVERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")  # of archives, servers and disks
HIDDEN, OTHER_TYPE, LEADS_BACK, LOOSE = "hidden", "of other types", "links that lead back", "outside the class folders"

LeftOut = Counter[tuple[str, str]]  # how many files or folders were left out, by kind and name
Identity = tuple[int, int]  # device and number of a folder


def hidden(name: str) -> bool:
    """Tell whether a file or folder is hidden, or was left by an archive, server or disk.

    >>> hidden(".ipynb_checkpoints"), hidden("__MACOSX"), hidden("cat")
    (True, True, False)
    """
    return name.startswith(".") or name in LEFTOVERS


def is_picture(name: str) -> bool:
    """Tell whether a file name has the suffix of a picture, in any case."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - names are texts, up to a million


def visible_folders(path: Path) -> list[str]:
    """Give the sorted names of the folders in `path`, linked ones too; hidden ones are left out.

    Raises `UserError` for a folder that cannot be read.
    """
    return [entry.name for entry in entries(path) if entry.is_dir() and not hidden(entry.name)]


def list_pictures(path: Path, split: str, classes: Sequence[str]) -> Files:
    """List the pictures of one split, a folder in `path`, sorted by class and name.

    Linked folders are followed; hidden files and folders are left out at every depth.

    Raises:
        UserError: a class has no pictures, or a folder cannot be read.
    """
    left_out: LeftOut = Counter()
    names: list[bytes] = []
    counts: list[int] = []
    for name in classes:
        inside = Path(split, name).as_posix()
        files = all_pictures(path, inside, left_out)
        if not files:
            raise UserError(f"{path / inside} has no pictures; known file types are {', '.join(SUFFIXES)}")
        names += map(os.fsencode, files)
        counts.append(len(files))
    _count_loose(path / split, left_out)
    labels = torch.repeat_interleave(torch.arange(len(classes)), torch.tensor(counts))
    return Files(path, np.array(names), labels, left_out=left_out)


def all_pictures(path: Path, inside: str, left_out: LeftOut) -> list[str]:
    """List the pictures below the folder `inside` of `path`, as texts such as `train/cat/1.png`, sorted as paths are.

    left_out: counts what is no picture or hidden.
    """
    start = path / inside
    above = frozenset(_identity(place) for place in (*start.parents, *start.resolve().parents))
    return sorted(_below(path, inside, above, left_out), key=lambda file: file.split("/"))


def _below(path: Path, inside: str, above: frozenset[Identity], left_out: LeftOut) -> Iterator[str]:
    """Yield the pictures below a folder. above: the folders on the way, so that a link back to one is not followed."""
    own = _identity(path / inside)
    if own in above:
        left_out[LEADS_BACK, inside] += 1
        return
    for entry in entries(path / inside):
        here = f"{inside}/{entry.name}" if inside else entry.name
        if hidden(entry.name):
            left_out[HIDDEN, entry.name] += 1
        elif entry.is_dir():
            yield from _below(path, here, above | {own}, left_out)
        elif is_picture(entry.name) and (entry.is_file() or _broken_link(entry)):  # a broken link fails by its name
            yield here
        else:
            left_out[OTHER_TYPE, Path(entry.name).suffix or entry.name] += 1


def _broken_link(entry: os.DirEntry[str]) -> bool:
    """Tell a link to nothing from a link to a pipe or device, which would keep its reader waiting for ever."""
    return entry.is_symlink() and not Path(entry.path).exists()


def entries(path: Path) -> list[os.DirEntry[str]]:
    """Give what lies in a folder, sorted by name. Raises `UserError` for a folder that cannot be read."""
    try:
        with os.scandir(path) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise UserError(f"{path}: the folder cannot be read: {error.strerror}; check its permissions") from None


def describe(left_out: LeftOut) -> str:
    """Say in a few words what was left out, by kind, with the most frequent names.

    >>> describe(Counter({("hidden", ".DS_Store"): 3, ("of other types", ".txt"): 2}))
    '3 hidden (.DS_Store), 2 of other types (.txt)'
    """
    parts = []
    for kind in dict.fromkeys(kind for kind, _ in left_out):
        names = Counter({name: count for (other, name), count in left_out.items() if other == kind})
        shown = [name for name, _ in names.most_common(3)] + ["..."] * (len(names) > 3)
        parts.append(f"{names.total()} {kind} ({', '.join(shown)})")
    return ", ".join(parts)


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"{path}: the folder cannot be read: {error.strerror}; check its permissions") from None
    return status.st_dev, status.st_ino


def _count_loose(path: Path, left_out: LeftOut) -> None:
    """Count what lies beside the class folders; classes that were not chosen do not count."""
    for entry in entries(path):
        if hidden(entry.name):
            left_out[HIDDEN, entry.name] += 1
        elif not entry.is_dir():
            left_out[LOOSE if is_picture(entry.name) else OTHER_TYPE, Path(entry.name).suffix or entry.name] += 1
