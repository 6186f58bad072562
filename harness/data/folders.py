"""Read listed pictures into memory, or leave them in their files to be streamed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from prunebench.data.decoding import Array, Form, decode, header
from prunebench.data.duplicates import shared_pictures
from prunebench.data.listing import describe
from prunebench.data.loaded import Loaded, Samples
from prunebench.data.pictures import Pictures
from prunebench.data.sources import Moments, check_shape, histogram, moments
from prunebench.data.streaming import Files
from prunebench.errors import UserError
from prunebench.seeding import generator

LARGE = 96  # from this size on, pictures are stored with a margin, as usual for ImageNet: 256 pixels for 224
LOOKED_AT = 2048  # training pictures from which channels, shape and moments of a streamed dataset are found


@dataclass(frozen=True)
class ReadOptions:
    """How to read pictures.

    Args:
        label: the dataset's name with its options, for messages.
        size: side in pixels that networks see; 0 keeps the pictures' own size.
        channels: 3 reads all pictures in colour; 0 keeps the pictures' own channels.
        memory: most GiB of pixels that are held in memory.
        moments: mean and deviation, if known; otherwise they are found from training pictures.
    """

    label: str
    size: int = 0
    channels: int = 0
    memory: float = 4.0
    moments: Moments | None = None

    def __post_init__(self) -> None:
        name = self.label.partition(":")[0]
        check_shape(name, self.size, self.channels)
        if self.memory < 0:
            raise UserError(f"option memory={self.memory:g} of '{name}' must be GiB, from 0 on")

    @property
    def stored(self) -> int:
        """Side in pixels of the stored pictures; 0 for their own size."""
        return self.size if self.size < LARGE else round(self.size * 256 / 224)


def read_pictures(parts: Sequence[Files], classes: Sequence[str], wanted: ReadOptions) -> Loaded:
    """Read the pictures of train, test and perhaps validation into memory, or leave them in their files.

    Pictures stay in their files if they need more than `wanted.memory`, estimated from the first picture's channels
    (and its size, if `wanted.size` is 0).

    Raises `UserError` if a picture cannot be read or has another shape than the others.
    """
    channels, height, width = header(parts[0].paths(0, 1)[0])
    pixels = sum(map(len, parts)) * max(channels, wanted.channels) * (wanted.stored or height) ** 2
    if pixels <= wanted.memory * 2**30:
        pictures = _in_memory(parts, wanted, (wanted.stored or height, wanted.stored or width))
        splits: list[Samples] = [*pictures]
        mean, std = wanted.moments or moments(histogram(pictures[0].images))
    else:
        form, (mean, std) = _surveyed(parts[0], wanted)
        splits = [replace(part, form=form) for part in parts]
    margin = wanted.stored > wanted.size
    return Loaded(
        splits[0],
        splits[1],
        tuple(classes),
        mean,
        std,
        validation=splits[2] if len(splits) > 2 else None,
        centre=wanted.size if margin else 0,
        augment=("resized_crop", "flip") if margin else None,
        notes=_notes(parts),
    )


def _notes(parts: Sequence[Files]) -> tuple[str, ...]:
    """Say what was left out, and which splits share pictures. parts: train, test and perhaps validation."""
    root = parts[0].root
    left_out = sum({id(part.left_out): part.left_out for part in parts}.values(), Counter[tuple[str, str]]())
    notes = [f"left out {describe(left_out)}"] * bool(left_out)
    notes += shared_pictures(dict(zip(("train", "test", "validation"), parts, strict=False)))
    return tuple(f"{root}: {note}" for note in notes)


def _surveyed(train: Files, wanted: ReadOptions) -> tuple[Form, Moments]:
    """Find channels, side and moments of streamed pictures from a fixed sample of the training pictures."""
    if wanted.moments is not None:
        return Form(len(wanted.moments[0]), wanted.stored, resize=True), wanted.moments
    sample = train[torch.randperm(len(train), generator=generator(0, "survey"))[:LOOKED_AT]]
    summary = sample.survey(wanted.stored)
    _check_shapes(summary.shapes, train.root, wanted)
    channels = 3 if summary.colour else wanted.channels or 1
    counts = torch.from_numpy(summary.counts[:channels])
    return Form(channels, next(iter(summary.shapes))[0], resize=wanted.size > 0), moments(counts)


def _in_memory(parts: Sequence[Files], wanted: ReadOptions, shape: tuple[int, int]) -> list[Pictures]:
    """Read the splits, with as many channels as the most colourful picture has. shape: of the first one."""
    splits = [_decoded(part, wanted, shape) for part in parts]
    channels = max(images.shape[1] for images in splits)
    wide = [images if images.shape[1] == channels else np.repeat(images, channels, axis=1) for images in splits]
    return [Pictures(torch.from_numpy(images), part.labels) for images, part in zip(wide, parts, strict=True)]


def _decoded(part: Files, wanted: ReadOptions, shape: tuple[int, int]) -> Array:
    """Decode a split into one array: (n, channels, height, width), with three channels if any picture is in colour."""
    images = np.empty((len(part), wanted.channels or 1, *shape), np.uint8)  # pages take memory only once written
    for number, file in enumerate(part.paths()):
        pixels = decode(file, wanted.stored)
        _check_shapes({shape, pixels.shape[:2]}, part.root, wanted)
        if pixels.ndim == 3 and images.shape[1] == 1:
            images = _in_colour(images, number)
        images[number] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return images


def _in_colour(images: Array, read: int) -> Array:
    """Give three channels to the pictures read so far: copying the others, not yet read, would fill their memory."""
    colour = np.empty((len(images), 3, *images.shape[2:]), np.uint8)
    colour[:read] = images[:read]
    return colour


def _check_shapes(given: Iterable[tuple[int, ...]], path: Path, wanted: ReadOptions) -> None:
    shapes = sorted(given)
    if len(shapes) > 1 or shapes[0][0] != shapes[0][1]:
        shown = " and ".join(f"{width} x {height}" for height, width in (shapes[:1] + shapes[-1:])[: len(shapes)])
        raise UserError(f"{path} has pictures of {shown} pixels; write {wanted.label},size=N to make all N x N")
