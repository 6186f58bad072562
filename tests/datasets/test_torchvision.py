"""CIFAR, STL-10 and SVHN: tiny files in the formats of the real ones, read with only the checksums left out."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
from numpy.typing import NDArray
from scipy.io import savemat

from prunebench.datasets.cifar10 import DATASET as CIFAR10
from prunebench.datasets.cifar100 import DATASET as CIFAR100
from prunebench.datasets.stl10 import DATASET as STL10
from prunebench.datasets.svhn import DATASET as SVHN
from prunebench.errors import UserError
from prunebench.plugins.dataset import Dataset, Source

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
FINE = [f"thing {number}" for number in range(100)]
Write = Callable[[Path], None]


def picture(number: int, side: int) -> NDArray[np.uint8]:
    """(3, side, side): red is the number, green the row, blue the column."""
    rows, columns = np.mgrid[:side, :side]
    return np.stack([np.full((side, side), number), rows, columns]).astype(np.uint8)


def pickled(path: Path, labels: str, numbers: range, classes: int) -> None:
    """Write a batch of CIFAR: rows of 3,072 bytes, channel by channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.stack([picture(number, 32).reshape(-1) for number in numbers])
    path.write_bytes(pickle.dumps({"data": data, labels: [number % classes for number in numbers]}))


def write_cifar10(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    for batch in range(5):
        pickled(folder / f"data_batch_{batch + 1}", "labels", range(batch * 3, batch * 3 + 3), 10)
    pickled(folder / "test_batch", "labels", range(100, 104), 10)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": NAMES}))


def write_cifar100(root: Path) -> None:
    folder = root / "cifar-100-python"
    pickled(folder / "train", "fine_labels", range(15), 100)
    pickled(folder / "test", "fine_labels", range(100, 104), 100)
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": FINE, "coarse_label_names": []}))


def write_stl10(root: Path) -> None:
    """Write pictures column by column, as Matlab does, and labels that begin at one."""
    folder = root / "stl10_binary"
    folder.mkdir()
    for split, numbers in (("train", range(15)), ("test", range(100, 104)), ("unlabeled", range(2))):
        pictures = np.stack([picture(number, 96).transpose(0, 2, 1) for number in numbers])
        (folder / f"{split}_X.bin").write_bytes(pictures.tobytes())
        (folder / f"{split}_y.bin").write_bytes(bytes(number % 10 + 1 for number in numbers))
    (folder / "class_names.txt").write_text("\n".join(NAMES) + "\n")


def write_svhn(root: Path) -> None:
    """Write (row, column, channel, picture), with ten for the digit zero."""
    for split, numbers in (("train", range(15)), ("test", range(100, 104))):
        pictures = np.stack([picture(number, 32).transpose(1, 2, 0) for number in numbers], axis=3)
        labels = np.array([[number % 10 or 10] for number in numbers], dtype=np.uint8)
        savemat(root / f"{split}_32x32.mat", {"X": pictures, "y": labels})


CASES = [
    (CIFAR10, write_cifar10, 32, tuple(NAMES)),
    (CIFAR100, write_cifar100, 32, tuple(FINE)),
    (STL10, write_stl10, 96, tuple(NAMES)),
    (SVHN, write_svhn, 32, tuple("0123456789")),
]


@pytest.fixture
def no_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cifar", "stl10", "svhn"):
        monkeypatch.setattr(
            f"torchvision.datasets.{module}.check_integrity", lambda path, md5=None: Path(path).is_file()
        )


@pytest.mark.parametrize(("dataset", "write", "side", "classes"), CASES, ids=lambda x: getattr(x, "name", None))
def test_the_files_are_read(
    dataset: Dataset, write: Write, side: int, classes: tuple[str, ...], tmp_path: Path, no_checksums: None
) -> None:
    write(tmp_path)
    loaded = dataset.load(Source(tmp_path))
    assert (loaded.shape, len(loaded.train), len(loaded.test)) == ((3, side, side), 15, 4)
    assert loaded.classes == classes
    for split, numbers in ((loaded.train, range(15)), (loaded.test, range(100, 104))):
        ((images, labels),) = split.batches([torch.arange(len(split))])
        assert labels.tolist() == [number % len(classes) for number in numbers]
        assert torch.equal(images, torch.from_numpy(np.stack([picture(number, side) for number in numbers])))
    assert all(0.35 < mean < 0.52 and 0.19 < std < 0.28 for mean, std in zip(loaded.mean, loaded.std, strict=True))


@pytest.mark.parametrize(("dataset", "write", "side", "classes"), CASES, ids=lambda x: getattr(x, "name", None))
def test_missing_and_damaged_files_say_what_to_do(
    dataset: Dataset, write: Write, side: int, classes: tuple[str, ...], tmp_path: Path
) -> None:
    message = (
        rf"{dataset.name.upper()} is missing or damaged in .*: add --download, or give --data-root DIR with DIR/\S"
    )
    with pytest.raises(UserError, match=message):
        dataset.load(Source(tmp_path))
    write(tmp_path)  # not the real ones: torchvision's checksums find that
    with pytest.raises(UserError, match=message):
        dataset.load(Source(tmp_path))


def test_a_failed_download_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(root: Path, download: bool, train: bool) -> None:
        assert download and root == tmp_path
        raise OSError("no route\nto host")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", make)
    with pytest.raises(
        UserError, match=r"CIFAR10 could not be downloaded to /.*: no route to host; try again, or give"
    ):
        CIFAR10.load(Source(tmp_path, download=True))


def test_size_and_classes(tmp_path: Path, no_checksums: None) -> None:
    write_cifar10(tmp_path)
    loaded = CIFAR10.with_options({"size": "64", "classes": "airplane/cat"}).load(Source(tmp_path))
    assert (loaded.shape, loaded.classes) == ((3, 64, 64), ("airplane", "cat"))
    assert loaded.train.labels.tolist() == [0, 1, 0, 1]
    with pytest.raises(UserError, match="no class 'plane'; the nearest of 10 classes are airplane"):
        CIFAR10.with_options({"classes": "plane/cat"}).load(Source(tmp_path))
