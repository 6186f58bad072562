"""The common part of what torchvision reads: its own classes with their downloads and checksums."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prunebench import Pictures, Source, UserError


def fetch(name: str, source: Source, files: str, *splits: Mapping[str, Any]) -> list[Any]:
    """Make torchvision's dataset `name` in the data root, once for the arguments of each split.

    files: what must lie there, for messages. Raises `UserError` where it is missing or damaged, or cannot be had.
    """
    import torchvision.datasets

    make = getattr(torchvision.datasets, name)
    try:
        return [make(source.root, download=source.download, **split) for split in splits]
    except (OSError, RuntimeError) as error:
        if source.download:
            reason = " ".join(str(error).split())
            raise UserError(f"{name} could not be downloaded to {source.root}: {reason}") from None
        where = f"add --download, or --data-root DIR with DIR/{files}"
        raise UserError(f"{name} is missing or damaged in {source.root}: {where}") from None


def pictures(images: NDArray[np.uint8], labels: Sequence[int] | NDArray[np.integer[Any]]) -> Pictures:
    """Take torchvision's arrays. images: (n, channels, height, width)."""
    return Pictures(torch.from_numpy(np.ascontiguousarray(images)), torch.as_tensor(labels).long())
