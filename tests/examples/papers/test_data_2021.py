import struct
from pathlib import Path

import pytest
import torch
from PIL import Image

from prunebench.data.loaded import Loaded
from prunebench.data.splits import Split
from prunebench.plugins.dataset import Source
from prunebench.plugins.registry import Registry, get_dataset

FILE = Path(__file__).parents[3] / "examples" / "papers" / "data_2021.py"
REGISTRY = Registry((str(FILE),))
TEST = 50


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write MNIST and Fashion-MNIST of 60 and 50 pictures; the level of a picture is its number."""
    place = tmp_path_factory.mktemp("data")
    for name in ("MNIST", "FashionMNIST"):
        raw = place / name / "raw"
        raw.mkdir(parents=True)
        for split, count in (("train", 60), ("t10k", TEST)):
            pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1).expand(-1, 28, 28).contiguous()
            head = struct.pack(">HBB3I", 0, 8, 3, count, 28, 28)
            (raw / f"{split}-images-idx3-ubyte").write_bytes(head + pixels.numpy().tobytes())
            labels = torch.arange(count, dtype=torch.uint8) % 10
            (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, count) + bytes(labels))
    return place


def load(label: str, root: Path) -> Loaded:
    dataset, argument = get_dataset(label, REGISTRY)
    assert dataset.augment == ("flip",)
    return dataset.load(Source(root, argument=argument))


def levels(pictures: object) -> list[int]:
    return pictures.images[:, 0, 0, 0].tolist()  # type: ignore[attr-defined, no-any-return]


def test_validation_pictures_are_test_pictures_and_some_are_both(root: Path) -> None:
    loaded = load("mnist_2021:share=0.6", root)
    test, validation = levels(loaded.test), levels(loaded.validation)
    assert (len(loaded.train), len(test), len(validation)) == (60, 30, 30)
    assert len({*test}) == len({*validation}) == 30 and {*test, *validation} <= {*range(TEST)}
    assert len({*test} & {*validation}) >= 10  # 30 + 30 of 50
    assert test != validation
    assert load("mnist_2021:share=0.6", root).fingerprint() == loaded.fingerprint()
    assert len(load("mnist_2021", root).test) == 5


def test_mnist_has_one_normalisation_and_fashion_two(root: Path) -> None:
    digits, clothes = load("mnist_2021", root), load("fashion_mnist_2021:size=32,channels=3", root)
    assert (digits.mean, digits.std) == ((0.1307,), (0.3081,))
    assert digits.train.images.dtype == torch.uint8
    assert clothes.shape == (3, 32, 32)
    train, test = clothes.train.images[:, 0, 0, 0], clothes.test.images[:, 0, 0, 0]
    assert train[:3].tolist() == pytest.approx([-1, (1 / 255 - 0.5) / 0.5, (2 / 255 - 0.5) / 0.5], abs=1e-6)
    numbers = (test * 0.3081 + 0.1307) * 255
    torch.testing.assert_close(numbers, numbers.round(), rtol=0, atol=1e-3)
    inputs = Split(clothes.test, torch.zeros(3), torch.ones(3)).batches(2)[0][0]
    torch.testing.assert_close(inputs[:, 0, 0, 0], test[:2])
    assert clothes.validation is not None
    assert float(clothes.validation.images.min()) >= -0.1307 / 0.3081 - 1e-6


def test_folders_stand_in(tmp_path: Path) -> None:
    for split, count in (("train", 4), ("test", 10)):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8), (number, 20, 100)).save(tmp_path / split / name / f"{number}.png")
    half, all_ = load(f"folder_2021:{tmp_path}", tmp_path), load(f"folder_2021:{tmp_path},share=1", tmp_path)
    assert [len(one.test) for one in (half, all_)] == [10, 20]
    assert all_.validation is not None and sorted(levels(all_.test)) == sorted(levels(all_.validation))
