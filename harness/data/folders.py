"""Folders of pictures with a folder for each class: listed, then read into memory or left in their files."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from prunebench.data.decoding import Array, Form, decode, header
from prunebench.data.loaded import Loaded
from prunebench.data.pictures import Pictures
from prunebench.data.sources import Moments, histogram, moments
from prunebench.data.streaming import Files
from prunebench.errors import UserError
from prunebench.seeding import generator

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
LARGE = 96  # from this size on pictures are stored with a margin, as is usual for ImageNet: 256 pixels for 224
LOOKED_AT = 2048  # training pictures that channels, shape and moments of a streamed set are found from


@dataclass(frozen=True)
class ReadOptions:
    """How pictures are to be read.

    Args:
        label: the dataset as it was named, for messages.
        size: side that networks see; 0: pictures as they are.
        channels: 3: colour, even if all are grey; 0: as they are.
        memory: GiB of pixels up to which they are held in memory.
        moments: mean and deviation, where they are known; found from the training pictures if not.
    """

    label: str
    size: int = 0
    channels: int = 0
    memory: float = 4.0
    moments: Moments | None = None

    def __post_init__(self) -> None:
        name = self.label.partition(":")[0]
        if self.size < 0:
            what = "a number of pixels, or 0 for pictures as they are"
            raise UserError(f"option size={self.size} of '{name}' must be {what}")
        if self.channels not in (0, 3):
            raise UserError(
                f"option channels={self.channels} of '{name}': allowed are 3, and 0 for pictures as they are"
            )
        if self.memory < 0:
            raise UserError(f"option memory={self.memory:g} of '{name}' must be GiB, from 0 on")

    @property
    def stored(self) -> int:
        """Side that pictures are stored with."""
        return self.size if self.size < LARGE else round(self.size * 256 / 224)


def class_folders(path: Path) -> tuple[str, ...]:
    """Give the folders of classes, sorted. Raises `UserError` where there are none."""
    names = tuple(sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")))
    if not names:
        raise UserError(f"{path} has no folders of classes; pictures belong in {path}/CLASS/")
    return names


def common_classes(path: Path, splits: Sequence[str]) -> tuple[str, ...]:
    """Give the classes of several splits, folders in `path`. Raises `UserError` where they differ."""
    first, *others = splits
    names = class_folders(path / first)
    for other in others:
        if class_folders(path / other) != names:
            shown = ", ".join(names) if len(names) <= 10 else f"the {len(names)} of {first}/"
            raise UserError(f"{path}: {first}/ and {other}/ have different classes; each needs {shown}")
    return names


def list_pictures(path: Path, split: str, classes: Sequence[str]) -> Files:
    """List the pictures of one split, a folder in `path`, sorted by class and name; hidden files are left out."""
    names: list[bytes] = []
    counts: list[int] = []
    for name in classes:
        found = sorted(_below(path, path / split / name), key=lambda file: file.split("/"))
        if not found:
            raise UserError(f"{path / split / name} has no pictures; known are {', '.join(SUFFIXES)}")
        names += map(os.fsencode, found)
        counts.append(len(found))
    labels = torch.repeat_interleave(torch.arange(len(classes)), torch.tensor(counts))
    return Files(path, np.array(names), labels)


def _below(path: Path, folder: Path) -> Iterable[str]:
    for place, _, files in os.walk(folder):
        inside = os.path.relpath(place, path)
        yield from (f"{inside}/{f}" for f in files if f.lower().endswith(SUFFIXES) and not f.startswith("."))


def read_pictures(parts: Sequence[Files], classes: Sequence[str], wanted: ReadOptions) -> Loaded:
    """Read the pictures of train, test and perhaps validation into memory, or leave them in their files.

    They are left there if their pixels, counted with the channels (and the size, where none is wanted) of the first
    one, take more memory than wanted. Raises `UserError` for pictures that cannot be read or do not fit together.
    """
    channels, height, width = header(parts[0].paths(0, 1)[0])
    pixels = sum(map(len, parts)) * max(channels, wanted.channels) * (wanted.stored or height) ** 2
    if pixels <= wanted.memory * 2**30:
        pictures = _in_memory(parts, wanted, (wanted.stored or height, wanted.stored or width))
        found: list[Pictures | Files] = [*pictures]
        mean, std = wanted.moments or moments(histogram(pictures[0].images))
    else:
        form, (mean, std) = _surveyed(parts[0], wanted)
        found = [replace(part, form=form) for part in parts]
    margin = wanted.stored > wanted.size
    return Loaded(
        found[0],
        found[1],
        tuple(classes),
        mean,
        std,
        validation=found[2] if len(found) > 2 else None,
        centre=wanted.size if margin else 0,
        augment=("resized_crop", "flip") if margin else None,
    )


def _surveyed(train: Files, wanted: ReadOptions) -> tuple[Form, Moments]:
    """Find channels, side and moments of a set that stays in its files, from a sample that is always the same."""
    if wanted.moments is not None:
        return Form(len(wanted.moments[0]), wanted.stored, resize=True), wanted.moments
    sample = train[torch.randperm(len(train), generator=generator(0, "survey"))[:LOOKED_AT]]
    seen = sample.survey(wanted.stored)
    _check_shapes(seen.shapes, train.root, wanted)
    channels = 3 if seen.colour else wanted.channels or 1
    counts = torch.from_numpy(seen.counts[:channels])
    return Form(channels, next(iter(seen.shapes))[0], resize=wanted.size > 0), moments(counts)


def _in_memory(parts: Sequence[Files], wanted: ReadOptions, shape: tuple[int, int]) -> list[Pictures]:
    """Read the splits, with as many channels as the most colourful picture has. shape: of the first one."""
    splits = [_decoded(part, wanted, shape) for part in parts]
    channels = max(images.shape[1] for images in splits)
    wide = [images if images.shape[1] == channels else np.repeat(images, channels, axis=1) for images in splits]
    return [Pictures(torch.from_numpy(images), part.labels) for images, part in zip(wide, parts, strict=True)]


def _decoded(part: Files, wanted: ReadOptions, shape: tuple[int, int]) -> Array:
    """Decode a split where it stays: (n, channels, height, width), three channels if one picture is in colour."""
    images = np.empty((len(part), wanted.channels or 1, *shape), np.uint8)  # what is not filled yet takes no memory
    for number, file in enumerate(part.paths()):
        pixels = decode(file, wanted.stored)
        _check_shapes({shape, pixels.shape[:2]}, part.root, wanted)
        if pixels.ndim == 3 and images.shape[1] == 1:
            images = np.repeat(images, 3, axis=1)
        images[number] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return images


def _check_shapes(found: Iterable[tuple[int, ...]], path: Path, wanted: ReadOptions) -> None:
    shapes = sorted(found)
    if len(shapes) > 1 or shapes[0][0] != shapes[0][1]:
        shown = " and ".join(f"{width} x {height}" for height, width in (shapes[:1] + shapes[-1:])[: len(shapes)])
        raise UserError(f"{path} has pictures of {shown} pixels; write {wanted.label},size=N to make all N x N")
