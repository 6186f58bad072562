"""IDX files, the format of MNIST and its replacements, gzipped or not; read in place."""

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
    """Read an IDX file of bytes: 0, 0, 8 and the number of dimensions, then the big-endian sizes, then the data."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {error}; download the file again") from None
    dimensions = data[3] if data[:3] == b"\0\0\x08" and len(data) > 3 else 0
    start = 4 + 4 * dimensions
    shape = [int.from_bytes(data[i : i + 4], "big") for i in range(4, start, 4)]
    if not dimensions or len(data) != start + math.prod(shape):
        raise UserError(f"{path}: not an IDX file of bytes, or cut short; download the file again")
    return torch.frombuffer(bytearray(data[start:]), dtype=torch.uint8).reshape(shape)


def find_idx(folders: Iterable[Path]) -> dict[str, Path] | None:
    """Find the first folder with all four files, each plain or gzipped. Returns the paths by `NAMES`, or None."""
    for folder in folders:
        paths = {name: path for name in NAMES for path in (folder / f"{name}.gz", folder / name) if path.is_file()}
        if len(paths) == len(NAMES):
            return paths
    return None


def read_split(files: dict[str, Path], split: str, classes: int) -> Pictures:
    """Read one split, `train` or `t10k`: images (n, 1, height, width), and labels (n,) below `classes`."""
    image_file, label_file = (files[f"{split}-{kind}-ubyte"] for kind in ("images-idx3", "labels-idx1"))
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.dim() != 3 or labels.shape != images.shape[:1]:
        shapes = f"pictures of shape {tuple(images.shape)} do not match labels of shape {tuple(labels.shape)}"
        raise UserError(f"{image_file}: {shapes} in {label_file.name}; download both files again")
    if len(labels) and int(labels.max()) >= classes:
        raise UserError(f"{label_file}: label {int(labels.max())} is above {classes - 1}; download the file again")
    return Pictures(images.unsqueeze(1), labels.long())
