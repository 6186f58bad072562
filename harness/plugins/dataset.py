"""Datasets: a function that loads uint8 pictures, and a frozen dataclass that describes their source."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from prunebench.data.loaded import Loaded
from prunebench.data.preparing import prepare
from prunebench.errors import unknown
from prunebench.plugins.options import Value, convert, function_options, keyword_defaults

AUGMENTATIONS = ("shift", "crop", "resized_crop", "flip")


@dataclass(frozen=True)
class Source:
    """Input of a loader: the data folder, whether downloads are allowed, and the argument after the colon."""

    root: Path
    download: bool = False
    argument: str = ""


@dataclass(frozen=True)
class Dataset:
    """One source of data.

    Args:
        load: ``(Source, *, options...) -> Loaded``. Missing data raise a `UserError` that says what to do.
        name: the name in the registry; by default the name of the function.
        augment: augmentations of training batches. ``shift`` moves a picture by up to a tenth of its side. ``crop``
            pads by an eighth and crops at random. ``resized_crop`` resizes a random part. ``flip`` is left-right.
        takes_argument: name of the argument after the colon, for the help (`PATH` of `folder:PATH`); empty if the
            dataset takes none.
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

    @property
    def options(self) -> dict[str, Value]:
        """The keyword-only options of `load`, and of `prepare` for every dataset, with their defaults."""
        return keyword_defaults(prepare) | keyword_defaults(self.load)

    def with_options(self, given: Mapping[str, str]) -> "Dataset":
        """Set options. `prepare` applies the options that `load` does not take to the loaded data."""
        values = convert(self.name, given, function_options(prepare) | function_options(self.load))
        own = {key: values.pop(key) for key in keyword_defaults(self.load) if key in values}
        load = partial(self.load, **own) if own else self.load
        return replace(self, load=partial(_prepared, load, self.name, values) if values else load)


def _prepared(load: Callable[[Source], Loaded], name: str, options: dict[str, Any], source: Source) -> Loaded:
    return prepare(load(source), name, **options)
