"""Code shared by the datasets that torchvision reads, downloads and checks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from prunebench import Pictures, Source, UserError


def fetch(name: str, source: Source, files: str, *splits: Mapping[str, Any]) -> list[Any]:
    """Build torchvision's dataset `name` in the data root, once with the arguments of each split.

    files: the files that must be there, for messages. Raises `UserError` if files are missing, damaged or not
    downloadable.
    """
    import torchvision.datasets

    make = getattr(torchvision.datasets, name)
    try:
        return [make(source.root, download=source.download, **split) for split in splits]
    except (OSError, RuntimeError) as error:
        instead = f"or give --data-root DIR with DIR/{files}"
        if source.download:
            reason = " ".join(str(error).split())
            what = f"{name} could not be downloaded to {source.root}: {reason}"
            raise UserError(f"{what}; try again, {instead}") from None
        raise UserError(f"{name} is missing or damaged in {source.root}: add --download, {instead}") from None


def pictures(images: NDArray[np.uint8], labels: Sequence[int] | NDArray[np.integer[Any]]) -> Pictures:
    """Convert torchvision's arrays to `Pictures`. images: (n, channels, height, width)."""
    return Pictures(torch.from_numpy(np.ascontiguousarray(images)), torch.as_tensor(labels).long())
