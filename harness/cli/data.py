"""Implements `prunebench data check`: what a folder of pictures has, and what is wrong with it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tabulate import tabulate

from prunebench.data.inspection import ALIKE, MOST, Inspection, Twins, inspect
from prunebench.data.listing import describe
from prunebench.errors import UserError

_SHOWN = 5  # pictures named in each part, unless all are wanted


def check_folder(text: str, everything: bool = False) -> tuple[str, bool]:
    """Describe a folder of pictures.

    Args:
        text: the folder, or a dataset's name such as `folder:PATH,size=64`.
        everything: name all pictures with a fault, not only the first few of each kind.

    Returns:
        the text, and whether all pictures can be read and no two splits share a file.

    Raises:
        UserError: there is no such folder, or it has no pictures.
    """
    found = inspect(_path(text))
    exact, near = found.exact(), found.near()
    most = None if everything else _SHOWN
    broken = list(found.broken())
    parts = [
        "\n".join(_head(found)),
        tabulate(_rows(found), ["split", "class", "pictures", "sizes", "modes"], "simple"),
        _part("pictures that cannot be read:", _first(broken, most)),
        _part("exact duplicates, files of the same bytes:", _twins(found, exact, "=", most)),
        _part(f"near-duplicates, a correlation of grey thumbnails from {ALIKE} on:", _twins(found, near, "~", most)),
    ]
    return "\n\n".join(parts), not broken and all(twins.split == twins.earlier for twins in exact)


def _path(text: str) -> Path:
    for given in (text, text.removeprefix("folder:"), text.removeprefix("folder:").partition(",")[0]):
        if (path := Path(given).expanduser()).is_dir():
            return path
    raise UserError(f"{text}: no such folder; give a folder of pictures, or folder:PATH")


def _head(found: Inspection) -> Iterator[str]:
    yield f"{found.path}: {sum(len(seen.looks) for seen in found.splits.values()):,} pictures"
    if found.trouble:
        yield f"refused as a dataset: {found.trouble}"
    if "train" in found.splits and "test" not in found.splits:
        yield "no test split: name one as an option, such as folder:PATH,test=val or folder:PATH,test=0.2"
    if found.unread:
        yield f"in no split: {', '.join(f'{name}/' for name in found.unread)}"
    if found.large:
        yield f"near-duplicates are not sought: there are more than {MOST:,} pictures"
    if found.left_out:
        yield f"left out {describe(found.left_out)}"


def _rows(found: Inspection) -> Iterator[list[object]]:
    for split, seen in found.splits.items():
        for name in sorted(set(seen.classes)):
            looks = [one for one, own in zip(seen.looks, seen.classes, strict=True) if own == name]
            good = [one for one in looks if not one.error]
            sizes = Counter((one.height * one.width, one.width, one.height) for one in good)
            modes = Counter(one.mode for one in good).most_common()
            yield [split, name or "(none)", len(looks), _sizes(sizes), ", ".join(f"{mode} {n}" for mode, n in modes)]


def _sizes(sizes: Counter[tuple[int, int, int]]) -> str:
    if not sizes:
        return ""
    (_, *small), (_, *large) = min(sizes), max(sizes)
    first, last = (f"{width} x {height}" for width, height in (small, large))
    return first if len(sizes) == 1 else f"{first} to {last} ({len(sizes)} sizes)"


def _twins(found: Inspection, every: Iterable[Twins], sign: str, most: int | None) -> Iterator[str]:
    for twins in every:
        seen, other = found.splits[twins.split], found.splits[twins.earlier]
        crossed = sum(seen.classes[one] != other.classes[two] for one, two in twins.pairs)
        where = "the same split" if twins.split == twins.earlier else twins.earlier
        line = f"{len(twins.pairs)} of {len(seen.names)} pictures of {twins.split} have a twin in {where}"
        yield line + f", {crossed} of them in another class" * bool(crossed)
        named = [f"{seen.names[one]} {sign} {other.names[two]}" for one, two in twins.pairs]
        yield from (f"  {line}" for line in _first(named, most))


def _part(title: str, lines: Iterable[str]) -> str:
    return "\n".join([title, *([f"  {line}" for line in lines] or ["  none"])])


def _first(lines: list[str], most: int | None) -> list[str]:
    more = len(lines) - len(lines[:most])
    return lines[:most] + [f"... and {more} more; --all names them"] * bool(more)
