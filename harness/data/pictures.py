"""Labelled pictures in memory, and what any other place to keep them must offer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor
from torch.nn import functional as F

COPIED = 8  # pictures copied at a time by what goes through all of them: it needs no memory for all


class Samples(Protocol):
    """One split, wherever its pictures are kept: in memory (`Pictures`), in files (`streaming.Files`)."""

    @property
    def labels(self) -> Tensor:
        """Int64, (n,), on the device that batches are wanted on."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a picture in a batch."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Tensor) -> Self: ...

    def to(self, device: torch.device) -> Self:
        """Give the same split with its batches on a device."""

    def relabelled(self, labels: Tensor) -> Self:
        """Give the same pictures with other labels, (n,)."""

    def batches(self, chosen: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Give uint8 pictures (k, channels, height, width) and labels (k,) for each index (k,), in order."""

    def facts(self) -> Iterator[bytes]:
        """Give what the data's fingerprint is made of."""


@dataclass(frozen=True)
class Pictures:
    """One split, held in memory. images: uint8 (n, channels, height, width); labels: int64 (n,).

    side: batches are square pictures of this many pixels (see `resized`); 0: as they are. Small pictures that a network
    sees enlarged need no more memory so.
    """

    images: Tensor
    labels: Tensor
    side: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a picture in a batch."""
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
        """Give the same pictures with other labels, (n,)."""
        return replace(self, labels=labels)

    def batches(self, chosen: Iterable[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Give uint8 pictures (k, channels, height, width) and labels (k,) for each index (k,), in order."""
        for index in chosen:
            here = index.to(self.images.device)
            images = self.images[here]
            yield resized(images, self.side) if self.side else images, self.labels[here]

    def facts(self) -> Iterator[bytes]:
        """Give the size in batches, where it is not that of the pictures, all pixels and all labels."""
        if self.side:
            yield f"side {self.side}".encode()
        for few in torch.split(self.images, COPIED):
            yield few.contiguous().numpy().tobytes()
        yield self.labels.contiguous().numpy().tobytes()


def resized(images: Tensor, side: int) -> Tensor:
    """Resize the shorter side to `side` (bilinear, smoothed where it shrinks) and cut out the centre.

    images: uint8 (n, channels, height, width); gives uint8 (n, channels, side, side).
    """
    factor = side / min(images.shape[-2:])
    height, width = (max(side, round(length * factor)) for length in images.shape[-2:])
    if (height, width) != images.shape[-2:]:
        floats = F.interpolate(images.float(), (height, width), mode="bilinear", antialias=True)
        images = floats.round_().clamp_(0, 255).to(torch.uint8)
    return central(images, side)


def central(images: Tensor, side: int) -> Tensor:
    """Cut the centre (..., side, side) out of pictures (..., height, width)."""
    top, left = ((length - side) // 2 for length in images.shape[-2:])
    return images[..., top : top + side, left : left + side]
