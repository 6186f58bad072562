"""Helpers of data sources: per-channel mean and deviation, and a fixed test split."""

from typing import TypeVar

import torch
from torch import Tensor

from prunebench.data.pictures import COPIED, Pictures
from prunebench.data.stratified import stratified_split
from prunebench.data.streaming import Files
from prunebench.errors import UserError

Moments = tuple[tuple[float, ...], tuple[float, ...]]
S = TypeVar("S", Pictures, Files)


def check_shape(name: str, size: int, channels: int) -> None:
    """Raise `UserError` for a size or a number of channels that a dataset cannot have. name: of the dataset."""
    if size < 0:
        raise UserError(f"option size={size} of '{name}' must be a number of pixels, or 0 for pictures as they are")
    if channels not in (0, 3):
        raise UserError(f"option channels={channels} of '{name}': allowed are 3, and 0 for pictures as they are")


def histogram(images: Tensor) -> Tensor:
    """Count the 256 levels of every channel: (channels, 256). images: uint8 (n, channels, h, w)."""
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for few in torch.split(images, COPIED):
        for channel, row in enumerate(counts):
            row += torch.bincount(few[:, channel].flatten(), minlength=256)
    return counts


def moments(levels: Tensor) -> Moments:
    """Give mean and standard deviation of every channel, for pictures scaled to [0, 1].

    Both are exact to float64 without a float copy of the pictures. A channel of one level has a deviation of 1.

    levels: (channels, 256), from `histogram`.

    >>> moments(histogram(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)))
    ((0.5,), (0.5,))
    """
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for counts in levels.double():
        mean = (counts * values).sum() / counts.sum()
        deviation = ((counts * (values - mean).square()).sum() / counts.sum()).sqrt()
        means.append(float(mean))
        deviations.append(float(deviation) if int((counts > 0).sum()) > 1 else 1.0)
    return tuple(means), tuple(deviations)


def split_test(pictures: S, count: int) -> tuple[S, S]:
    """Split off `count` test pictures, stratified by class and always the same; returns (train, test).

    Raises `UserError` if a class has a single picture, or if one split has fewer pictures than there are classes.
    """
    sizes = torch.bincount(pictures.labels)
    smallest = int(sizes.min())
    if smallest < 2 or min(count, len(pictures) - count) < len(sizes):
        raise UserError(
            f"{len(pictures)} pictures of {len(sizes)} classes, {smallest} in the smallest, are too few to split: each "
            "class needs two pictures, and train and test as many as there are classes"
        )
    train, test = stratified_split(pictures.labels.numpy(), count)
    return pictures[torch.from_numpy(train)], pictures[torch.from_numpy(test)]
