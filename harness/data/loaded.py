"""A dataset as it was loaded: its splits, classes and per-channel moments."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from prunebench.data.pictures import Samples
from prunebench.errors import UserError

# mean and deviation that all users of ImageNet normalise with, since PyTorch's first examples
IMAGENET_MOMENTS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Loaded:
    """What a loader gives. `validation` only where the source has such a split of its own.

    mean, std: per channel, of the training pictures scaled to [0, 1]. centre: networks see so many pixels of the middle
    (augmentation may choose from more); 0: all of the picture. augment: what training does to a batch where that
    depends on the pictures; None: as the dataset's record says.
    """

    train: Samples
    test: Samples
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    validation: Samples | None = None
    centre: int = 0
    augment: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise UserError(f"the dataset has one class only ({', '.join(self.classes) or 'none'}); two are needed")
        for split in (self.train, self.test):
            if len(split) == 0:
                raise UserError("the dataset has an empty split; train and test need pictures")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a picture as networks see it."""
        channels, height, width = self.train.shape
        return channels, self.centre or height, self.centre or width

    def each(self, change: Callable[[Samples], Samples]) -> "Loaded":
        """Give the dataset with every split changed."""
        validation = None if self.validation is None else change(self.validation)
        return replace(self, train=change(self.train), test=change(self.test), validation=validation)

    def fingerprint(self) -> str:
        """SHA-256 (16 hex digits) of all pixels and labels: two runs with the same one saw the same data.

        Of pictures in files: of their names and sizes instead of their pixels.
        """
        shown = (self.classes, self.mean, self.std, *((self.centre,) if self.centre else ()))
        digest = hashlib.sha256(repr(shown).encode())
        for split in (self.train, self.test, self.validation):
            if split is not None:
                for part in split.facts():
                    digest.update(part)
        return digest.hexdigest()[:16]
