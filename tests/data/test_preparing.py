from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from prunebench.data.loaded import Loaded
from prunebench.data.pictures import Pictures
from prunebench.data.preparing import chosen_classes, prepare
from prunebench.data.streaming import Files
from prunebench.errors import UserError

CLASSES = ("T-shirt/top", "Trouser", "Bag", "top")


def pictures(count: int, channels: int = 1) -> Pictures:
    levels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)
    return Pictures(levels.expand(count, channels, 4, 4).clone(), torch.arange(count) % 4)


LOADED = Loaded(pictures(8), pictures(4), CLASSES, (0.5,), (0.2,))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3", [0, 1, 2]), ("Bag/Trouser", [1, 2]), ("top/T-shirt/top", [0, 3]), ("Bag/T-shirt/top/Bag", [0, 2])],
)
def test_classes_by_number_or_name(text: str, numbers: list[int]) -> None:
    assert chosen_classes(text, CLASSES, "clothes") == numbers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", r"option classes=1 of 'clothes': allowed are 2 to 4, or names with / between them"),
        ("5", r"allowed are 2 to 4"),
        (
            "Bag/Trousers",
            r"option classes=Bag/Trousers of 'clothes': no class 'Trousers'; the nearest of 4 classes are Trouser",
        ),
        ("zzz", r"no class 'zzz'; the nearest of 4 classes are T-shirt/top, Trouser, Bag"),
    ],
)
def test_wrong_classes(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        chosen_classes(text, CLASSES, "clothes")


def test_a_subset_is_numbered_anew_and_keeps_its_pictures() -> None:
    some = prepare(replace(LOADED, validation=pictures(4)), "clothes", classes="Bag/Trouser")
    assert some.classes == ("Trouser", "Bag")
    assert isinstance(some.train, Pictures)
    assert some.train.images[:, 0, 0, 0].tolist() == [1, 2, 5, 6]
    assert some.train.labels.tolist() == [0, 1, 0, 1]
    assert some.test.labels.tolist() == [0, 1]
    assert some.validation is not None and len(some.validation) == 2
    with pytest.raises(UserError, match=r"needs two classes or more, got Bag"):
        prepare(LOADED, "clothes", classes="Bag")


def test_another_size() -> None:
    assert prepare(LOADED, "clothes", size=8).shape == (1, 8, 8)
    assert prepare(LOADED, "clothes", size=4).fingerprint() == LOADED.fingerprint()
    assert prepare(LOADED, "clothes", size=8).fingerprint() != LOADED.fingerprint()
    with pytest.raises(UserError, match="option size=-4 of 'clothes' must be a number of pixels"):
        prepare(LOADED, "clothes", size=-4)


def test_three_channels() -> None:
    grey = prepare(LOADED, "clothes", channels=3)
    assert (grey.shape, grey.mean, grey.std) == ((3, 4, 4), (0.5,) * 3, (0.2,) * 3)
    ((batch, _),) = grey.train.batches([torch.tensor([5])])
    assert batch.flatten().tolist() == [5] * 48
    colour = Loaded(pictures(8, 3), pictures(4, 3), CLASSES, (0.5,) * 3, (0.2,) * 3)
    assert prepare(colour, "clothes", channels=3) == colour
    with pytest.raises(UserError, match="option channels=2 of 'clothes': allowed are 3, and 0"):
        prepare(LOADED, "clothes", channels=2)


def test_other_augmentation() -> None:
    assert prepare(LOADED, "clothes").augment is None
    assert prepare(LOADED, "clothes", augment="none").augment == ()
    assert prepare(LOADED, "clothes", augment="crop/flip").augment == ("crop", "flip")


def test_what_is_not_in_memory_has_options_of_its_own() -> None:
    files = Files(Path(), np.array([b"a", b"b"]), torch.arange(2))
    with pytest.raises(UserError, match="dataset 'files' is not in memory; its own loader must offer"):
        prepare(Loaded(files, files, ("a", "b"), (0.5,), (0.2,)), "files", size=8)
