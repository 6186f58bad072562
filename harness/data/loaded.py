"""A dataset as it was loaded: its splits, classes and per-channel moments."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from prunebench.data.pictures import Pictures
from prunebench.data.streaming import Files
from prunebench.errors import UserError

# The usual ImageNet mean and standard deviation, from PyTorch's first examples.
IMAGENET_MOMENTS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

Samples = Pictures | Files  # one split, in memory or in files


@dataclass(frozen=True)
class Loaded:
    """A dataset, as its loader returns it.

    mean, std: per channel, of the training pictures scaled to [0, 1].
    validation: only if the source has a validation split of its own.
    centre: networks see the central centre x centre pixels; augmentation may use the rest. 0: the whole picture.
    augment: the kinds of augmentation in training, if they depend on the pictures; None: those of the dataset's record.
    notes: what the user should know, such as pictures in two splits; a run prints each once.
    """

    train: Samples
    test: Samples
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    validation: Samples | None = None
    centre: int = 0
    augment: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise UserError(f"the dataset needs two classes or more, got {', '.join(self.classes) or 'none'}")
        for split in (self.train, self.test):
            if len(split) == 0:
                raise UserError("the dataset has an empty split; train and test each need at least one picture")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a picture as networks see it."""
        channels, height, width = self.train.shape
        return channels, self.centre or height, self.centre or width

    def each(self, change: Callable[[Samples], Samples]) -> "Loaded":
        """Copy the dataset with every split changed."""
        validation = None if self.validation is None else change(self.validation)
        return replace(self, train=change(self.train), test=change(self.test), validation=validation)

    def fingerprint(self) -> str:
        """Hash all pixels and labels with SHA-256 (16 hex digits): equal fingerprints mean equal data.

        For pictures in files, file names and sizes stand for the pixels.
        """
        shown = (self.classes, self.mean, self.std, *((self.centre,) if self.centre else ()))
        digest = hashlib.sha256(repr(shown).encode())
        for split in (self.train, self.test, self.validation):
            if split is not None:
                for part in split.facts():
                    digest.update(part)
        return digest.hexdigest()[:16]
