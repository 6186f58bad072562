"""IDX files, the format of MNIST and of those that replace it; gzipped or not, read where they lie."""

import gzip
import math
import zlib
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from prunebench import Pictures, UserError

NAMES = tuple(f"{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


def read_idx(path: Path) -> Tensor:
    """Read an IDX file of bytes: a header of 0, 0, 8 and the number of dimensions, the big-endian sizes, the data."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    dimensions = data[3] if data[:3] == b"\0\0\x08" and len(data) > 3 else 0
    start = 4 + 4 * dimensions
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    if not dimensions or len(data) != start + math.prod(shape):
        raise UserError(f"{path}: not an IDX file of bytes, or cut short; fetch it again")
    return torch.frombuffer(bytearray(data[start:]), dtype=torch.uint8).reshape(shape)


def find_idx(folders: Iterable[Path]) -> dict[str, Path] | None:
    """Find the first folder with all four files, each as it is or with `.gz`; gives the paths by `NAMES`."""
    for folder in folders:
        found = {name: path for name in NAMES for path in (folder / f"{name}.gz", folder / name) if path.is_file()}
        if len(found) == len(NAMES):
            return found
    return None


def read_split(files: dict[str, Path], split: str, classes: int) -> Pictures:
    """Read one split, `train` or `t10k`: images (n, 1, height, width), labels (n,) below `classes`."""
    images = read_idx(files[f"{split}-images-idx3-ubyte"])
    labels = read_idx(files[f"{split}-labels-idx1-ubyte"])
    if images.dim() != 3 or labels.shape != images.shape[:1]:
        raise UserError(f"{files[f'{split}-images-idx3-ubyte']}: its pictures do not match the labels beside it")
    if len(labels) and int(labels.max()) >= classes:
        raise UserError(f"{files[f'{split}-labels-idx1-ubyte']}: label {int(labels.max())} of {classes} classes")
    return Pictures(images.unsqueeze(1), labels.long())
