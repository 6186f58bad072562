"""Labelled pictures in memory. Pictures in files (`streaming.Files`) have the same methods."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

COPIED = 8  # pictures copied at a time when a pass reads all pictures, so that it needs little memory


@dataclass(frozen=True)
class Pictures:
    """One split, held in memory. images: uint8 (n, channels, height, width); labels: int64 (n,).

    Images in floats are given to networks as they are, without scaling and normalisation.
    side: batches have pictures of side x side pixels (see `resized`); 0 keeps their own size. Each batch is resized
    when it is read, so that enlarging small pictures needs no more memory.
    """

    images: Tensor
    labels: Tensor
    side: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a picture in a batch: (channels, height, width)."""
        _, channels, height, width = self.images.shape
        return channels, self.side or height, self.side or width

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> Self:
        return replace(self, images=self.images[index], labels=self.labels[index])

    def to(self, device: torch.device) -> Self:
        """Move pictures and labels to a device."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def relabelled(self, labels: Tensor) -> Self:
        """Copy the split with other labels, (n,)."""
        return replace(self, labels=labels)

    def batches(self, chosen: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield uint8 pictures (k, channels, height, width) and labels (k,) for each index (k,), in order."""
        for index in chosen:
            here = index.to(self.images.device)
            images = self.images[here]
            yield resized(images, self.side) if self.side else images, self.labels[here]

    def facts(self) -> Iterator[bytes]:
        """Yield the side if batches are resized, the type of floats, then all pixels and all labels."""
        if self.side:
            yield f"side {self.side}".encode()
        if self.images.is_floating_point():
            yield str(self.images.dtype).encode()
            if self.side:
                yield b"resized as floats"  # they were once resized to bytes, so that their results are void
        for few in torch.split(self.images, COPIED):
            yield few.contiguous().numpy().tobytes()
        yield self.labels.contiguous().numpy().tobytes()


def resized(images: Tensor, side: int) -> Tensor:
    """Resize the shorter side to `side` (bilinear, antialiased) and cut out the centre.

    images: uint8 or floats (n, channels, height, width). Returns (n, channels, side, side) of the same type.
    """
    factor = side / min(images.shape[-2:])
    height, width = (max(side, round(length * factor)) for length in images.shape[-2:])
    if (height, width) != images.shape[-2:]:
        floats = F.interpolate(images.float(), (height, width), mode="bilinear", antialias=True)
        whole = not images.is_floating_point()
        images = floats.round_().clamp_(0, 255).to(torch.uint8) if whole else floats.to(images.dtype)
    return central(images, side)


def central(images: Tensor, side: int) -> Tensor:
    """Cut the centre (..., side, side) out of pictures (..., height, width)."""
    top, left = ((length - side) // 2 for length in images.shape[-2:])
    return images[..., top : top + side, left : left + side]
