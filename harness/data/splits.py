"""Draw a block's splits from a dataset by its seed. Validation pictures never come from the test split."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

import torch
from torch import Tensor

from prunebench.data.loaded import Loaded, Samples
from prunebench.data.pictures import central
from prunebench.errors import UserError
from prunebench.records.protocol import Protocol
from prunebench.seeding import generator


@dataclass(frozen=True)
class Split:
    """One split on a device.

    centre: networks see the central centre x centre pixels; 0: the whole picture. memory_format: of batches.
    """

    pictures: Samples
    mean: Tensor
    std: Tensor
    centre: int = 0
    memory_format: torch.memory_format = torch.channels_last

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def side(self) -> int:
        """Side in pixels of the pictures that networks see."""
        return self.centre or self.pictures.shape[-1]

    def floats(self, images: Tensor) -> Tensor:
        """Cut and normalise uint8 pictures (n, channels, height, width) to float32; floats are only cut."""
        if self.centre:
            images = central(images, self.centre)
        if images.is_floating_point():
            scaled = images.to(torch.float32)
        else:
            scaled = images.to(torch.float32).div_(255).sub_(self.mean).div_(self.std)
        if self.memory_format is torch.contiguous_format:  # one channel fits both formats; kernels go by the strides
            return scaled.clone(memory_format=self.memory_format)
        return scaled.contiguous(memory_format=self.memory_format)

    def batches(self, size: int) -> "Batches":
        """Give batches (normalised pictures, labels) in order; the last batch may be short."""
        return Batches(self, size)


@dataclass(frozen=True)
class Batches(Sequence[tuple[Tensor, Tensor]]):
    """The batches of a split. A batch is normalised when it is read, so that only one is in memory as floats."""

    split: Split
    size: int

    def __len__(self) -> int:
        return -(-len(self.split) // self.size)

    @overload
    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[tuple[Tensor, Tensor]]: ...
    def __getitem__(self, number: int | slice) -> tuple[Tensor, Tensor] | Sequence[tuple[Tensor, Tensor]]:
        if isinstance(number, slice):
            return [self[n] for n in range(len(self))[number]]
        return next(self._load([range(len(self))[number]]))

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._load(range(len(self)))

    def _load(self, numbers: Iterable[int]) -> Iterator[tuple[Tensor, Tensor]]:
        every = torch.split(torch.arange(len(self.split)), self.size)
        for images, labels in self.split.pictures.batches(every[number] for number in numbers):
            yield self.split.floats(images), labels


@dataclass(frozen=True)
class BlockData:
    """The four splits of a block. calibration: training pictures without augmentation."""

    train: Split
    validation: Split
    calibration: Split
    test: Split
    classes: int
    augment: tuple[str, ...]

    def in_format(self, memory_format: torch.memory_format) -> "BlockData":
        """Give the same splits with batches in another memory format."""
        names = ("train", "validation", "calibration", "test")
        return replace(self, **{name: replace(getattr(self, name), memory_format=memory_format) for name in names})


def check_sizes(loaded: Loaded, protocol: Protocol) -> None:
    """Raise `UserError` if the training split would have fewer pictures than a batch."""
    used = max(1, round(len(loaded.train) * protocol.train_fraction))
    left = used if loaded.validation is not None else used - max(1, round(used * protocol.validation_fraction))
    if left < 1:
        raise UserError("no training picture is left; raise --train-fraction or lower --validation-fraction")
    if left < (protocol.batch or 1):
        held = f", as {used - left} of {used} are for validation" if used > left else ""
        cure = "lower --batch or use more pictures"
        raise UserError(f"{left} training pictures are fewer than a batch of {protocol.batch}{held}; {cure}")


def draw(loaded: Loaded, augment: tuple[str, ...], protocol: Protocol, seed: int, device: torch.device) -> BlockData:
    """Draw a seed's training subset, validation split and calibration pictures; the test split stays whole."""
    check_sizes(loaded, protocol)
    order = torch.randperm(len(loaded.train), generator=generator(seed, "split"))
    used = order[: max(1, round(len(order) * protocol.train_fraction))]
    if loaded.validation is None:
        held = max(1, round(len(used) * protocol.validation_fraction))
        validation, train = loaded.train[used[:held]], loaded.train[used[held:]]
    else:
        validation, train = loaded.validation, loaded.train[used]
    chosen = torch.randperm(len(train), generator=generator(seed, "calibration"))[: protocol.calibration]
    return BlockData(
        train=_placed(train, loaded, device),
        validation=_placed(validation, loaded, device),
        calibration=_placed(train[chosen], loaded, device),
        test=_placed(loaded.test, loaded, device),
        classes=len(loaded.classes),
        augment=augment,
    )


def some(loaded: Loaded, augment: tuple[str, ...], count: int, device: torch.device) -> BlockData:
    """Take some training pictures, from all over the split, for a trial that copies no others.

    The validation split is empty, so a training measures no accuracy.
    """
    chosen = torch.linspace(0, len(loaded.train) - 1, min(count, len(loaded.train))).long()
    train = _placed(loaded.train[chosen], loaded, device)
    empty = replace(train, pictures=train.pictures[chosen[:0]])
    return BlockData(train, empty, train, empty, classes=len(loaded.classes), augment=augment)


def _placed(pictures: Samples, loaded: Loaded, device: torch.device) -> Split:
    mean, std = (torch.tensor(v).view(1, -1, 1, 1).to(device) for v in (loaded.mean, loaded.std))
    return Split(pictures.to(device), mean, std, loaded.centre)
