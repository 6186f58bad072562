from dataclasses import replace

import pytest
import torch

from prunebench.data.loaded import Loaded, Samples
from prunebench.data.pictures import Pictures
from prunebench.errors import UserError


def pictures(count: int, level: int = 0) -> Pictures:
    return Pictures(torch.full((count, 1, 4, 4), level, dtype=torch.uint8), torch.arange(count) % 2)


LOADED = Loaded(pictures(4), pictures(2), ("a", "b"), (0.5,), (0.2,))


def test_networks_see_all_of_a_picture_or_its_centre() -> None:
    assert LOADED.shape == (1, 4, 4)
    assert replace(LOADED, centre=2).shape == (1, 2, 2)


def test_fingerprint_changes_with_every_part() -> None:
    variants = [
        LOADED,
        replace(LOADED, train=pictures(4, level=1)),
        replace(LOADED, test=pictures(2, level=1)),
        replace(LOADED, validation=pictures(2)),
        replace(LOADED, classes=("a", "c")),
        replace(LOADED, mean=(0.4,)),
        replace(LOADED, centre=2),
        replace(LOADED, train=replace(pictures(4), side=8)),
        replace(LOADED, train=Pictures(LOADED.train.images, torch.ones(4, dtype=torch.int64))),
    ]
    assert len({variant.fingerprint() for variant in variants}) == len(variants)
    again = Loaded(pictures(4), pictures(2), ("a", "b"), (0.5,), (0.2,))
    assert again.fingerprint() == LOADED.fingerprint()


def test_one_class_only() -> None:
    with pytest.raises(UserError, match=r"needs two classes or more, got a"):
        replace(LOADED, classes=("a",))


def test_empty_split() -> None:
    with pytest.raises(UserError, match="empty split"):
        replace(LOADED, test=pictures(0))


def test_every_split_is_changed() -> None:
    def first(split: Samples) -> Samples:
        return split[torch.arange(1)]

    changed = replace(LOADED, validation=pictures(3)).each(first)
    assert changed.validation is not None
    assert [len(part) for part in (changed.train, changed.test, changed.validation)] == [1, 1, 1]
    assert LOADED.each(first).validation is None
