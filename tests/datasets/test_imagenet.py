"""Three tiny archives in the form of the real ones, unpacked by torchvision with only the checksums left out."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from prunebench.data.pictures import Pictures
from prunebench.data.streaming import Files
from prunebench.datasets.imagenet import ARCHIVES, DATASET
from prunebench.errors import UserError
from prunebench.plugins.dataset import Source

WORDS = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish", "n01484850": "great white shark"}
COLOURS = [(200, 10, 10), (10, 200, 10), (10, 10, 200)]


def jpeg(label: int, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, COLOURS[label]).save(file, "jpeg", quality=95)
    return file.getvalue()


def tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def devkit() -> bytes:
    """Write the classes, numbered in another order than their WordNet numbers, and a parent that is no class."""
    rows = [(3 - n, wnid, words, "", 0) for n, (wnid, words) in enumerate(WORDS.items())] + [(4, "n0", "fish", "", 3)]
    kinds = [("ILSVRC2012_ID", "i4"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "i4")]
    meta = io.BytesIO()
    savemat(meta, {"synsets": np.array(rows, dtype=kinds)})
    folder = "ILSVRC2012_devkit_t12/data"
    truth = b"1\n3\n2\n"  # of the three validation pictures: shark, tench, goldfish
    names = {"meta.mat": meta.getvalue(), "ILSVRC2012_validation_ground_truth.txt": truth}
    return tar({f"{folder}/{name}": data for name, data in names.items()}, "w:gz")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "imagenet"
    folder.mkdir()
    inner = {
        f"{wnid}.tar": tar({f"{wnid}_{i}.JPEG": jpeg(label, (40 + i, 30)) for i in range(4)})
        for label, wnid in enumerate(WORDS)
    }
    outer = {f"ILSVRC2012_val_0000000{i + 1}.JPEG": jpeg(label, (30, 50)) for i, label in enumerate((2, 0, 1))}
    for name, data in zip(ARCHIVES, (tar(inner), tar(outer), devkit()), strict=True):
        (folder / name).write_bytes(data)
    return tmp_path


@pytest.fixture
def no_checksums(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.imagenet.check_integrity", lambda path, md5=None: Path(path).is_file())


@pytest.mark.parametrize("memory", ["0", "1"])
def test_the_archives_are_unpacked_and_read(root: Path, no_checksums: None, memory: str) -> None:
    dataset = DATASET.with_options({"size": "16", "memory": memory})
    loaded = dataset.load(Source(root))
    assert isinstance(loaded.train, Files if memory == "0" else Pictures)
    assert (loaded.classes, loaded.shape) == (tuple(WORDS), (3, 16, 16))
    assert (len(loaded.train), loaded.test.labels.tolist()) == (12, [0, 1, 2])
    for split in (loaded.train, loaded.test):
        ((images, labels),) = split.batches([torch.arange(len(split))])
        assert images.flatten(2).float().mean(2).argmax(1).tolist() == labels.tolist()
    assert loaded.mean == (0.485, 0.456, 0.406)
    for name in ARCHIVES:  # once is enough
        (root / "imagenet" / name).unlink()
    assert dataset.load(Source(root)).fingerprint() == loaded.fingerprint()


def test_pictures_have_224_pixels_out_of_256_and_some_classes_fit_in_memory(root: Path, no_checksums: None) -> None:
    loaded = DATASET.with_options({"classes": "n01484850/n01440764"}).load(Source(root))
    assert (loaded.shape, loaded.train.shape, loaded.centre) == ((3, 224, 224), (3, 256, 256), 224)
    assert loaded.classes == ("n01440764", "n01484850")
    assert isinstance(loaded.train, Pictures) and len(loaded.train) == 8


def test_what_is_missing_or_damaged_is_said(root: Path, tmp_path: Path) -> None:
    message = r"ImageNet's train split cannot be read: put ILSVRC2012_img_train\.tar, .* or folders train and val into"
    with pytest.raises(UserError, match=message):  # torchvision's checksum
        DATASET.load(Source(root))
    with pytest.raises(UserError, match=message) as error:
        DATASET.load(Source(tmp_path / "nothing"))
    assert "\n" not in str(error.value)


def test_other_classes_in_val(root: Path, no_checksums: None) -> None:
    (root / "imagenet" / "train" / "n1").mkdir(parents=True)
    with pytest.raises(UserError, match="train/ and val/ have different classes; each needs n1"):
        DATASET.load(Source(root))


def test_a_size_is_needed() -> None:
    with pytest.raises(UserError, match="option size=0 of 'imagenet' must be a number of pixels"):
        DATASET.with_options({"size": "0"}).load(Source(Path("unused")))
