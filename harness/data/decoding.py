"""Decode picture files to pixels. Imports no torch, so that decoding worker processes start fast and stay small."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prunebench.errors import CellError, UserError

Array = NDArray[np.uint8]
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # of PIL, for files that are no pictures


@dataclass(frozen=True)
class Form:
    """The form of all pictures in a batch. resize: the shorter side, then cut out the centre; else refuse others."""

    channels: int = 0
    side: int = 0
    resize: bool = False


@dataclass(frozen=True)
class Survey:
    """A summary of some pictures. shapes: all (height, width); counts: of the 256 levels, int64 (3, 256)."""

    colour: bool
    shapes: frozenset[tuple[int, int]]
    counts: NDArray[np.int64]


def decode(file: str | Path, size: int) -> Array:
    """Decode a picture: (height, width) if all its pixels are grey, else (height, width, 3).

    size: resize the shorter side, then cut out the centre; 0 keeps the size. Raises `UserError` naming the file.
    """
    try:
        with Image.open(file) as opened:
            image = eight_bit(opened)
    except UNREADABLE as error:
        raise UserError(f"{file}: cannot be read as a picture: {' '.join(str(error).split())}") from None
    pixels = np.asarray(_square(image, size) if size else image)
    # most pictures in colour show it in their first row, and the whole comparison costs as much as a small decoding
    grey = pixels.ndim == 3 and all((part == part[..., :1]).all() for part in (pixels[:1], pixels))
    return np.ascontiguousarray(pixels[..., 0] if grey else pixels)


def read(files: Sequence[str], form: Form) -> Array:
    """Decode pictures of one form: (n, channels, side, side). Raises `CellError` naming a file of another form."""
    batch = np.empty((len(files), form.channels, form.side, form.side), np.uint8)
    for place, file in zip(batch, files, strict=True):
        try:
            pixels = decode(file, form.side if form.resize else 0)
        except UserError as error:
            raise CellError(str(error)) from None
        if pixels.shape[:2] != place.shape[1:]:
            height, width = pixels.shape[:2]
            raise CellError(f"{file}: has {width} x {height} pixels, others {form.side} x {form.side}; give size=N")
        if pixels.ndim == 3 and form.channels == 1:
            raise CellError(f"{file}: is in colour, all pictures sampled before are grey; give channels=3")
        place[:] = pixels if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return batch


def survey(files: Sequence[str], size: int) -> list[Survey]:
    """Decode pictures and summarise them, in a list of one. Raises `UserError` naming a file that cannot be read."""
    colour, shapes, counts = False, set(), np.zeros((3, 256), np.int64)
    for file in files:
        pixels = decode(file, size)
        colour |= pixels.ndim == 3
        shapes.add(pixels.shape[:2])
        for channel in range(3):
            levels = pixels if pixels.ndim == 2 else pixels[..., channel]
            counts[channel] += np.bincount(levels.reshape(-1), minlength=256)
    return [Survey(colour, frozenset(shapes), counts)]


def header(file: str | Path) -> tuple[int, int, int]:
    """Read (channels, height, width) without the pixels. Raises `UserError` for a file that is no picture."""
    try:
        with Image.open(file) as image:
            grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I;16")
            return 1 if grey else 3, image.height, image.width
    except UNREADABLE as error:
        raise UserError(f"{file}: cannot be read as a picture: {' '.join(str(error).split())}") from None


def eight_bit(image: Image.Image) -> Image.Image:
    """Convert a picture to eight bits, L or RGB. Raises `ValueError` for pixels without a fixed range."""
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    if image.mode.startswith("I;16"):  # PIL would clip 16 bits, not scale them
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no fixed range; save the picture with 8 or 16 bits")
    if "transparency" in image.info:  # PIL warns where it has to drop the transparency of a palette by itself
        image = image.convert("RGBA")
    return image.convert("RGB")


def _square(image: Image.Image, size: int) -> Image.Image:
    """Resize the shorter side to `size` and cut out the centre."""
    factor = size / min(image.size)
    width, height = (max(size, round(side * factor)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))
