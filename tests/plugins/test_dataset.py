from pathlib import Path

import pytest
import torch

from prunebench.data.loaded import Loaded
from prunebench.data.pictures import Pictures
from prunebench.errors import UserError
from prunebench.plugins.dataset import Dataset, Source


def pictures(count: int, level: int = 0) -> Pictures:
    return Pictures(torch.full((count, 1, 4, 4), level, dtype=torch.uint8), torch.arange(count) % 2)


LOADED = Loaded(pictures(4), pictures(2), ("a", "b"), (0.5,), (0.2,))


def test_options_are_those_of_load() -> None:
    seen: list[int] = []

    def load(source: Source, *, size: int = 0) -> Loaded:
        seen.append(size)
        return LOADED

    dataset = Dataset(load, name="x")
    source = Source(Path("unused"))
    dataset.load(source)
    dataset.with_options({"size": "8"}).load(source)
    assert seen == [0, 8]
    assert dataset.with_options({"size": "8"}).name == "x"
    with pytest.raises(UserError, match="unknown option 'sise' in 'x'; did you mean 'size'"):
        dataset.with_options({"sise": "8"})


def test_options_that_load_has_not_are_done_to_what_it_gives() -> None:
    dataset = Dataset(lambda source, *, classes="": LOADED, name="x")
    assert dataset.options == {"size": 0, "classes": "", "channels": 0, "augment": ""}
    loaded = dataset.with_options({"size": "8", "classes": "99", "augment": "flip"}).load(Source(Path("unused")))
    assert (loaded.shape, loaded.augment, loaded.classes) == ((1, 8, 8), ("flip",), ("a", "b"))


def test_an_unknown_augmentation_is_refused_when_the_record_is_made() -> None:
    with pytest.raises(UserError, match="unknown augmentation 'shfit' in dataset 'typo'; did you mean 'shift'"):
        Dataset(id, name="typo", augment=("shfit",))
