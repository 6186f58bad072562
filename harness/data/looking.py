"""Look at picture files: size, mode, hash and thumbnail. Imports no torch, as workers start fast and small then."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prunebench.data.decoding import UNREADABLE, eight_bit

SIDE = 16  # pixels of a thumbnail


@dataclass(frozen=True)
class Look:
    """What a file shows.

    digest: BLAKE2b of the file's bytes. mode: PIL's, such as L or RGB. thumbnail: float32 (256,), the grey picture of
    16 x 16 pixels with mean 0 and norm 1; all 0 for a picture of one level. error: why it cannot be read; else empty.
    """

    digest: bytes
    width: int = 0
    height: int = 0
    mode: str = ""
    thumbnail: NDArray[np.float32] | None = None
    error: str = ""


def look(files: Sequence[str]) -> list[Look]:
    """Look at pictures. A file that cannot be read as a picture has an error instead of size, mode and thumbnail."""
    return [_look(file) for file in files]


def digest_of(content: bytes) -> bytes:
    """Hash the bytes of a file: BLAKE2b, 16 bytes."""
    return hashlib.blake2b(content, digest_size=16).digest()


def _look(file: str) -> Look:
    content = b""
    try:
        content = Path(file).read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            (width, height), mode = image.size, image.mode
            image.draft("L", (4 * SIDE, 4 * SIDE))  # a JPEG is decoded at a fraction of its size
            return Look(digest_of(content), width, height, mode, _thumbnail(eight_bit(image)))
    except UNREADABLE as error:
        return Look(digest_of(content), error=" ".join(str(error).split()))


def _thumbnail(image: Image.Image) -> NDArray[np.float32]:
    small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    levels = np.asarray(small, np.float32).reshape(-1)
    centred = levels - levels.mean()
    norm = float(np.linalg.norm(centred))
    return centred / norm if norm > SIDE else np.zeros_like(centred)  # a deviation of one level or less: no picture
