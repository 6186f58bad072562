"""Inspect a folder of pictures: what each split has, and which pictures are there twice."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prunebench.data.layout import common_classes, find_splits
from prunebench.data.listing import LeftOut, all_pictures, visible_folders
from prunebench.data.looking import Look, look
from prunebench.data.streaming import in_workers
from prunebench.errors import UserError

ALIKE = 0.99  # correlation of thumbnails from which on two pictures are near-duplicates
MOST = 200_000  # pictures: comparing each with each takes minutes from here on
_AT_ONCE = 2**24  # correlations in memory: 64 MiB
ORDER = ("train", "test", "validation")


@dataclass(frozen=True)
class Seen:
    """The pictures of one split. names: paths below the folder; classes: the folder of each, in the split's folder."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    looks: tuple[Look, ...]

    def thumbnails(self) -> Tensor:
        """Give the thumbnails: float32 (n, 256)."""
        return thumbnails(self.looks)


@dataclass(frozen=True)
class Twins:
    """The pictures of `split` that are alike to one of the split `earlier`: pairs of their numbers there."""

    split: str
    earlier: str
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Inspection:
    """What a folder has. trouble: why its splits cannot be taken as they are. unread: folders outside the splits."""

    path: Path
    splits: Mapping[str, Seen]
    left_out: LeftOut
    trouble: str
    unread: tuple[str, ...]

    @property
    def large(self) -> bool:
        """Whether there are too many pictures to compare each with each."""
        return sum(len(seen.names) for seen in self.splits.values()) > MOST

    def broken(self) -> Iterator[str]:
        """Name the pictures that cannot be read, with the reason."""
        for seen in self.splits.values():
            yield from (f"{name}: {one.error}" for name, one in zip(seen.names, seen.looks, strict=True) if one.error)

    def exact(self) -> list[Twins]:
        """Find files of the same bytes. A picture is paired with the first such file of each split."""
        return [twins for twins in (self._exact(*pair) for pair in self._pairs()) if twins.pairs]

    def near(self) -> list[Twins]:
        """Find near-duplicates that are not exact: `ALIKE` thumbnails. A picture is paired with the nearest."""
        known = {(twins.split, twins.earlier): {number for number, _ in twins.pairs} for twins in self.exact()}
        result = []
        for split, earlier in self._pairs() if not self.large else ():
            found = nearest(self.splits[split].thumbnails(), self.splits[earlier].thumbnails(), split == earlier)
            left = [pair for pair in found if pair[0] not in known.get((split, earlier), ())]
            result += [Twins(split, earlier, tuple(left))] * bool(left)
        return result

    def _pairs(self) -> list[tuple[str, str]]:
        names = list(self.splits)
        return [(split, earlier) for number, split in enumerate(names) for earlier in names[: number + 1]]

    def _exact(self, split: str, earlier: str) -> Twins:
        first: dict[bytes, int] = {}
        for number, one in enumerate(self.splits[earlier].looks):
            first.setdefault(one.digest, number)
        looks = enumerate(self.splits[split].looks)
        same = [(number, first[one.digest]) for number, one in looks if one.digest in first]
        return Twins(split, earlier, tuple(pair for pair in same if split != earlier or pair[0] != pair[1]))


def inspect(path: Path) -> Inspection:
    """Look at all pictures of a folder, in worker processes.

    Raises `UserError` for a folder that cannot be read or has no pictures.
    """
    trouble, found = "", dict[str, str]()
    try:
        found = find_splits(path)
        common_classes(path, [*found.values()] or [""])
    except UserError as error:
        trouble = str(error)
    places = {role: found[role] for role in ORDER if role in found} or {"all": ""}
    left_out: LeftOut = Counter()
    names = {role: all_pictures(path, place, left_out) for role, place in places.items()}
    if not any(names.values()):
        raise UserError(f"{path} has no pictures; give a folder of pictures")
    splits = {role: _seen(path, places[role], files) for role, files in names.items() if files}
    read = {place.partition("/")[0] for place in places.values()}
    return Inspection(
        path, splits, left_out, trouble, tuple(n for n in visible_folders(path) if found and n not in read)
    )


def thumbnails(looks: Sequence[Look]) -> Tensor:
    """Give the thumbnails: float32 (n, 256); 0 for pictures that cannot be read."""
    empty = np.zeros(256, np.float32)
    return torch.from_numpy(np.stack([empty if one.thumbnail is None else one.thumbnail for one in looks]))


def nearest(later: Tensor, earlier: Tensor, same: bool) -> list[tuple[int, int]]:
    """Pair each thumbnail with the most alike earlier one, where their correlation is at least `ALIKE`.

    later: (n, 256), earlier: (m, 256); rows have mean 0 and norm 1. same: whether both are one split; then only rows
    further up are earlier.

    >>> rows = torch.eye(2, 256)[[0, 1, 0]]
    >>> nearest(rows, rows, True)
    [(2, 0)]
    """
    result = []
    rows = max(1, _AT_ONCE // len(earlier))
    for start in range(0, len(later), rows):
        alike = later[start : start + rows] @ (earlier[: start + rows] if same else earlier).T
        if same:
            alike = alike.tril(start - 1)
        best, number = alike.max(dim=1)
        for row in torch.nonzero(best >= ALIKE).flatten().tolist():
            result.append((start + row, int(number[row])))
    return result


def _seen(path: Path, place: str, files: Sequence[str]) -> Seen:
    looks = in_workers(look, [str(path / file) for file in files])
    below = (file[len(place) :].lstrip("/").split("/") for file in files)
    return Seen(tuple(files), tuple(parts[0] if len(parts) > 1 else "" for parts in below), tuple(looks))
