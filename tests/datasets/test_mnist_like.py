import gzip
import struct
from pathlib import Path

import pytest
import torch
import torchvision.datasets
from torch import Tensor

from prunebench.data.sources import histogram, moments
from prunebench.datasets import fashion_mnist
from prunebench.datasets._idx import read_idx
from prunebench.datasets.fashion_mnist import DATASET as FASHION
from prunebench.datasets.mnist import DATASET as MNIST
from prunebench.errors import UserError
from prunebench.plugins.dataset import Dataset, Source


def idx(values: Tensor) -> bytes:
    header = struct.pack(f">HBB{values.dim()}I", 0, 8, values.dim(), *values.shape)
    return header + values.to(torch.uint8).numpy().tobytes()


def write(folder: Path, zipped: bool = False, labels: Tensor | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", 6), ("t10k", 3)):
        images = torch.arange(count * 28 * 28).view(count, 28, 28) % 251
        for kind, data in (("images-idx3", images), ("labels-idx1", torch.arange(count) if labels is None else labels)):
            path = folder / f"{split}-{kind}-ubyte"
            if zipped:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(idx(data)))
            else:
                path.write_bytes(idx(data))


@pytest.fixture(autouse=True)
def no_debian_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    return tmp_path / "debian"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(("dataset", "folder"), [(MNIST, "MNIST"), (FASHION, "FashionMNIST")])
def test_torchvisions_layout_is_read(dataset: Dataset, folder: str, zipped: bool, tmp_path: Path) -> None:
    write(tmp_path / folder / "raw", zipped)
    loaded = dataset.load(Source(tmp_path))
    assert (loaded.shape, len(loaded.train), len(loaded.test), len(loaded.classes)) == ((1, 28, 28), 6, 3, 10)
    assert loaded.train.labels.tolist() == [0, 1, 2, 3, 4, 5]
    assert loaded.train.images.flatten()[:4].tolist() == [0, 1, 2, 3]
    assert int(loaded.train.images[1, 0, 0, 0]) == 784 % 251


def test_reads_what_torchvision_reads(tmp_path: Path) -> None:
    write(tmp_path / "MNIST" / "raw")
    theirs = torchvision.datasets.MNIST(str(tmp_path), train=True, download=False)
    ours = MNIST.load(Source(tmp_path)).train
    assert torch.equal(ours.images[:, 0], theirs.data)
    assert torch.equal(ours.labels, theirs.targets)


def test_debians_package_is_read_where_it_lies(tmp_path: Path, no_debian_package: Path) -> None:
    write(no_debian_package, zipped=True)
    before = sorted(tmp_path.rglob("*"))
    assert len(FASHION.load(Source(tmp_path / "nothing")).train) == 6
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(UserError, match="MNIST is not in"):
        MNIST.load(Source(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (MNIST, r"MNIST is not in .*/MNIST/raw: add --download, or give --data-root DIR with DIR/MNIST/raw$"),
        (FASHION, r"FashionMNIST is not in .*--data-root DIR .*, or run: apt-get install dataset-fashion-mnist$"),
    ],
)
def test_missing_data_say_what_to_do(dataset: Dataset, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        dataset.load(Source(tmp_path))


def test_download_only_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: str, download: bool) -> None:
        assert download
        write(Path(root) / "MNIST" / "raw")

    monkeypatch.setattr(torchvision.datasets, "MNIST", download)
    assert len(MNIST.load(Source(tmp_path, download=True)).train) == 6


def test_a_failed_download_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: str, download: bool) -> None:
        raise RuntimeError("Error downloading\ntrain-images:\nno route to host")

    monkeypatch.setattr(torchvision.datasets, "MNIST", download)
    with pytest.raises(
        UserError, match=r"MNIST could not be downloaded to .*: Error downloading train-images: no route"
    ):
        MNIST.load(Source(tmp_path, download=True))


@pytest.mark.parametrize(
    "data", [b"", b"\0\0\x08\x01", idx(torch.arange(5))[:-1], idx(torch.arange(5)) + b"x", b"\0\0\x0d\x01"]
)
def test_a_file_cut_short_or_of_another_kind(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x-ubyte"
    path.write_bytes(data)
    with pytest.raises(UserError, match="x-ubyte: not an IDX file of bytes, or cut short"):
        read_idx(path)


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "x-ubyte.gz"
    for data in (b"no gzip at all", gzip.compress(bytes(range(256)) * 9)[:-20]):
        path.write_bytes(data)
        with pytest.raises(UserError, match=r"x-ubyte.gz: cannot be read"):
            read_idx(path)


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    write(tmp_path / "MNIST" / "raw", labels=torch.zeros(4))
    with pytest.raises(UserError, match=r"pictures of shape \(6, 28, 28\) do not match labels of shape \(4,\) in"):
        MNIST.load(Source(tmp_path))
    write(tmp_path / "MNIST" / "raw", labels=torch.tensor([0, 1, 2, 3, 4, 10]))
    with pytest.raises(UserError, match="label 10 is above 9"):
        MNIST.load(Source(tmp_path))


@pytest.mark.slow
def test_the_real_fashion_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("/usr/share/datasets/fashion-mnist")
    if not folder.is_dir():
        pytest.skip("Fashion-MNIST is not installed: apt-get install dataset-fashion-mnist")
    monkeypatch.setattr(fashion_mnist, "DEBIAN", folder)
    loaded = FASHION.load(Source(Path("nowhere")))
    assert (len(loaded.train), len(loaded.test)) == (60_000, 10_000)
    assert loaded.train.labels.bincount().tolist() == [6_000] * 10
    assert moments(histogram(loaded.train.images))[0] == pytest.approx(loaded.mean, abs=1e-4)
    assert moments(histogram(loaded.train.images))[1] == pytest.approx(loaded.std, abs=1e-4)
