from dataclasses import replace

import pytest
import torch

from prunebench.dataset import Dataset, Loaded, Pictures, Source
from prunebench.errors import UserError


def pictures(count: int, level: int = 0) -> Pictures:
    return Pictures(torch.full((count, 1, 4, 4), level, dtype=torch.uint8), torch.arange(count) % 2)


LOADED = Loaded(pictures(4), pictures(2), ("a", "b"), (0.5,), (0.2,))


def test_shape_and_indexing() -> None:
    assert LOADED.shape == (1, 4, 4)
    some = LOADED.train[torch.tensor([3, 0])]
    assert (len(some), some.labels.tolist()) == (2, [1, 0])


def test_fingerprint_changes_with_every_part() -> None:
    variants = [
        LOADED,
        replace(LOADED, train=pictures(4, level=1)),
        replace(LOADED, test=pictures(2, level=1)),
        replace(LOADED, validation=pictures(2)),
        replace(LOADED, classes=("a", "c")),
        replace(LOADED, mean=(0.4,)),
        replace(LOADED, train=Pictures(LOADED.train.images, torch.ones(4, dtype=torch.int64))),
    ]
    assert len({variant.fingerprint() for variant in variants}) == len(variants)
    again = Loaded(pictures(4), pictures(2), ("a", "b"), (0.5,), (0.2,))
    assert again.fingerprint() == LOADED.fingerprint()


def test_one_class_only() -> None:
    with pytest.raises(UserError, match=r"one class only \(a\); two are needed"):
        replace(LOADED, classes=("a",))


def test_empty_split() -> None:
    with pytest.raises(UserError, match="empty split"):
        replace(LOADED, test=pictures(0))


def test_options_are_those_of_load() -> None:
    seen: list[int] = []

    def load(source: Source, *, size: int = 0) -> Loaded:
        seen.append(size)
        return LOADED

    dataset = Dataset(load, name="x")
    source = Source(root=torch.__path__[0])  # type: ignore[arg-type]  # not used
    dataset.load(source)
    dataset.with_options({"size": "8"}).load(source)
    assert seen == [0, 8]
    assert dataset.with_options({"size": "8"}).name == "x"
    with pytest.raises(UserError, match="unknown option 'sise' in 'x'; did you mean 'size'"):
        dataset.with_options({"sise": "8"})


def test_an_unknown_augmentation_is_refused_when_the_record_is_made() -> None:
    with pytest.raises(UserError, match="unknown augmentation 'shfit' in dataset 'typo'; did you mean 'shift'"):
        Dataset(id, name="typo", augment=("shfit",))
