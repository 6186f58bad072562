"""What a dataset is: a function that loads uint8 pictures, and a frozen record of where they come from."""

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
    """What a loader is given: where data lie, whether it may download, and what stood behind the colon."""

    root: Path
    download: bool = False
    argument: str = ""


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

    @property
    def options(self) -> dict[str, Value]:
        """The keyword-only options of `load`, and those that every dataset has, with their defaults."""
        return keyword_defaults(prepare) | keyword_defaults(self.load)

    def with_options(self, given: Mapping[str, str]) -> "Dataset":
        """Set options; what `load` does not take itself is done to what it gives, by `prepare`."""
        values = convert(self.name, given, function_options(prepare) | function_options(self.load))
        own = {key: values.pop(key) for key in keyword_defaults(self.load) if key in values}
        load = partial(self.load, **own) if own else self.load
        return replace(self, load=partial(_prepared, load, self.name, values) if values else load)


def _prepared(load: Callable[[Source], Loaded], name: str, options: dict[str, Any], source: Source) -> Loaded:
    return prepare(load(source), name, **options)
