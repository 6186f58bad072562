"""What a dataset is: a function that loads uint8 pictures, and a frozen record of where they come from."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from prunebench.errors import UserError, unknown
from prunebench.options import convert, keyword_defaults
from prunebench.pictures import Pictures as Pictures
from prunebench.pictures import Samples

AUGMENTATIONS = ("shift", "crop", "resized_crop", "flip")


@dataclass(frozen=True)
class Source:
    """What a loader is given: where data lie, whether it may download, and what stood behind the colon."""

    root: Path
    download: bool = False
    argument: str = ""


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


@dataclass(frozen=True)
class Dataset:
    """One source of data.

    Args:
        load: ``(Source, *, options...) -> Loaded``; raises `UserError` with what to do where the data are missing.
        name: the name in the registry; the function's name if not given.
        augment: what training does to a batch, of ``shift`` (by up to a tenth of the side), ``crop`` (a random crop
            after padding by an eighth), ``resized_crop`` (a random part, resized) and ``flip`` (left-right).
        takes_argument: what stands behind the colon, for the help (`folder:PATH`); empty if nothing may.
    """

    load: Callable[..., Loaded]
    name: str = ""
    augment: tuple[str, ...] = ()
    takes_argument: str = ""
    licence: str = ""
    citation: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.load.__name__)

        for kind in self.augment:
            if kind not in AUGMENTATIONS:
                raise unknown("augmentation", kind, AUGMENTATIONS, where=f"dataset '{self.name}'")

    def with_options(self, given: Mapping[str, str]) -> "Dataset":
        """Set the keyword-only options of `load`."""
        values = convert(self.name, given, keyword_defaults(self.load))
        return replace(self, load=partial(self.load, **values)) if values else self
