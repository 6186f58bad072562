"""Pictures and labels out of tensors and of datasets of PyTorch."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from prunebench import Pictures, UserError
from prunebench.calls.pictures import LARGEST, load_given
from prunebench.data.splits import Split


class Listed(torch.utils.data.Dataset[Any]):
    def __init__(self, items: list[Any], **attributes: Any) -> None:
        self.items = items
        vars(self).update(attributes)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        item = self.items[number]
        return item() if callable(item) else item


def grey(value: int = 7) -> Image.Image:
    return Image.fromarray(np.full((8, 8), value, np.uint8))


def images(split: Any) -> Tensor:
    assert isinstance(split, Pictures)
    return split.images


def test_a_dataset_of_pictures_of_pil_holds_bytes_and_names() -> None:
    data = Listed([(grey(n), n % 2) for n in range(20)], classes=["cat", "dog"])
    loaded = load_given(data, "mine")
    assert (images(loaded.train).dtype, loaded.shape, loaded.classes) == (torch.uint8, (1, 8, 8), ("cat", "dog"))
    assert (len(loaded.train), len(loaded.test)) == (16, 4)
    whole = torch.cat([images(loaded.train), images(loaded.test)])[:, 0, 0, 0]
    assert whole.sort().values.tolist() == list(range(20))
    part = load_given(torch.utils.data.Subset(data, range(12)), "mine")
    assert part.classes == ("cat", "dog")
    nested = torch.utils.data.Subset(torch.utils.data.Subset(data, range(12)), range(10))
    assert load_given(nested, "mine").classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("labels", "classes"), [((0, 1, 2), "abc"), ((0, 2), "abcde"), ((3, 4), "abcde"), (range(5), "abcde")]
)
def test_a_subset_has_the_classes_that_occur_where_they_are_the_first(labels: Any, classes: str) -> None:
    data = Listed([(grey(n), n % 5) for n in range(100)], classes=list("abcde"))
    chosen = [number for number in range(100) if number % 5 in labels]
    part = torch.utils.data.Subset(data, chosen)
    nested = torch.utils.data.Subset(part, range(len(part)))
    gaps = max(labels) >= len(labels)
    for given in ((nested, part), *(() if gaps else (part, nested))):
        loaded = load_given(given, "mine")
        assert loaded.classes == tuple(classes) and len(loaded.notes) == (len(classes) < 5)
    assert load_given((part, data), "mine").classes == tuple("abcde")
    if gaps:
        cure = f"number the {len(labels)} classes that occur from 0 to {len(labels) - 1}"
        with pytest.raises(UserError, match=f"'mine': no picture has label ., but labels reach {max(labels)}; {cure}"):
            load_given(nested, "mine")


def test_arrays_have_their_channels_last_and_may_have_none() -> None:
    colours = [(np.full((8, 8, 3), n, np.uint8), n % 2) for n in range(20)]
    assert load_given(Listed(colours), "mine").shape == (3, 8, 8)
    assert load_given(Listed([(picture[..., 0], label) for picture, label in colours]), "mine").shape == (1, 8, 8)


def test_a_pair_is_training_and_test() -> None:
    train = torch.zeros(10, 1, 8, 8), torch.arange(10) % 2
    test = torch.ones(6, 1, 8, 8), torch.arange(6) % 3
    loaded = load_given((train, torch.utils.data.TensorDataset(*test)), "mine")
    assert (len(loaded.train), len(loaded.test), loaded.classes) == (10, 6, ("0", "1", "2"))
    assert float(images(loaded.test).mean()) == 1.0
    with pytest.raises(UserError, match="training and test pictures differ"):
        load_given((train, (test[0].to(torch.uint8), test[1])), "mine")


def test_floats_are_given_to_networks_as_they_are_and_bytes_are_normalised() -> None:
    floats = torch.rand(4, 1, 8, 8)
    mean, std = torch.tensor([[[[0.5]]]]), torch.tensor([[[[0.25]]]])
    assert torch.equal(Split(Pictures(floats, torch.zeros(4)), mean, std).floats(floats), floats)
    full = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    assert Split(Pictures(full, torch.zeros(1)), mean, std).floats(full).unique().tolist() == [2.0]


def test_the_type_of_floats_is_part_of_the_fingerprint() -> None:
    labels = torch.arange(20) % 2
    kinds = [torch.zeros(20, 1, 8, 8, dtype=kind) for kind in (torch.uint8, torch.float32)]
    assert len({load_given((one, labels), "mine").fingerprint() for one in kinds}) == 2


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "there are no pictures"),
        ([{"image": 1}] * 4, r"item 0 is a dict of 1; it must be \(picture, label\)"),
        ([(grey(), "cat")] * 4, "the label of item 0 is a str, not a whole number"),
        ([("a.png", 0)] * 4, "item 0 holds a str; give a tensor"),
        ([(torch.zeros(1, 8, 8), 0), (torch.zeros(1, 9, 9), 1)], r"several shapes, \(1, 8, 8\) \(number 0\) and"),
        ([(lambda: (torch.rand(1, 8, 8), 0))] * 4, "gives another picture each time; leave random transforms out"),
        ([(torch.zeros(1, 8, 8), 0)] * 20, "needs two classes or more"),
        ([(torch.zeros(1, 8, 8), n) for n in range(6)], "are too few to split"),
    ],
)
def test_bad_items_are_named(items: list[Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_given(Listed(items), "mine")


def test_what_is_too_large_for_memory_is_refused_at_once() -> None:
    class Large(Listed):
        def __len__(self) -> int:
            return LARGEST

    with pytest.raises(UserError, match="GiB of pictures do not fit here; use a folder"):
        load_given(Large([(torch.zeros(1, 8, 8), 0)]), "mine")
