import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from prunebench.data import folders
from prunebench.data.loaded import Loaded
from prunebench.data.pictures import Pictures
from prunebench.data.splits import BlockData, draw
from prunebench.data.streaming import Files
from prunebench.datasets.folder import DATASET
from prunebench.errors import UserError
from prunebench.plugins.dataset import Source
from prunebench.pruning.network import Network, Table
from prunebench.records.protocol import Protocol
from prunebench.training.evaluate import evaluate
from prunebench.training.train import TrainingSettings, train

CPU = torch.device("cpu")


def fill(folder: Path, count: int = 12, classes: int = 2, grey: bool = False, size: tuple[int, int] = (12, 10)) -> None:
    draws = np.random.default_rng(0)
    for number in range(classes):
        (folder / f"class {number}").mkdir(parents=True)
        for i in range(count):
            pixels = draws.integers(0, 256, size if grey else (*size, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"class {number}" / f"{i}.png")


def load(path: Path, **options: int | float | str) -> Loaded:
    return DATASET.with_options({k: str(v) for k, v in options.items()}).load(
        Source(Path("/nowhere"), argument=str(path))
    )


def drawn(loaded: Loaded, classes: int = 2) -> BlockData:
    augment = loaded.augment or DATASET.augment
    return draw(loaded, augment, Protocol(batch=8, calibration=8), 0, CPU)


def test_what_does_not_fit_is_left_in_its_files(tmp_path: Path) -> None:
    fill(tmp_path)
    gib = 24 * 3 * 8 * 8 / 2**30  # of all pictures, in three channels, at 8 pixels
    assert isinstance(load(tmp_path, size=8).train, Pictures)
    assert isinstance(load(tmp_path, size=8, memory=gib).train, Pictures)
    assert isinstance(load(tmp_path, size=8, memory=gib * 0.999).train, Files)
    with pytest.raises(UserError, match="option memory=-1 of 'folder' must be GiB"):
        load(tmp_path, memory=-1)


@pytest.mark.parametrize("size", [8, 112])
@pytest.mark.parametrize("grey", [False, True])
def test_streamed_and_held_pictures_give_the_same_batches_networks_and_answers(
    size: int, grey: bool, tmp_path: Path
) -> None:
    fill(tmp_path, grey=grey)
    results: list[tuple[list[Tensor], list[Tensor], Tensor]] = []
    for memory in (0, 4):
        loaded = load(tmp_path, size=size, memory=memory)
        assert (loaded.shape, len(loaded.train)) == ((1 if grey else 3, size, size), 19)
        data = drawn(loaded)
        batches = [images for part in (data.train, data.calibration, data.test) for images, _ in part.batches(7)]
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(loaded.shape[0], 4, 3), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2))
        train(Network.dense(model, Table((), {})), data, TrainingSettings("dense", 2, 0.1, 8, 0.0, seed=3))
        results.append((batches, [p.detach() for p in model.parameters()], evaluate(model, data.test).loss))
    for streamed, held in zip(results[0][0] + results[0][1], results[1][0] + results[1][1], strict=True):
        assert torch.equal(streamed, held)
    assert torch.equal(results[0][2], results[1][2])


def test_large_pictures_are_stored_with_a_margin_that_evaluation_cuts_off(tmp_path: Path) -> None:
    fill(tmp_path, size=(140, 130))
    small, large = load(tmp_path, size=95), load(tmp_path, size=112)
    assert (small.train.shape, small.shape, small.augment) == ((3, 95, 95), (3, 95, 95), None)
    assert (large.train.shape, large.shape, large.augment) == ((3, 128, 128), (3, 112, 112), ("resized_crop", "flip"))
    ((seen, _), *_) = drawn(large).test.batches(1)
    assert seen.shape == (1, 3, 112, 112)
    with Image.open(tmp_path / "class 0" / "0.png") as image:
        whole = image.resize((128, round(140 * 128 / 130)), Image.Resampling.BILINEAR)
    stored = load(tmp_path, size=112)
    assert isinstance(stored.train, Pictures) and isinstance(stored.test, Pictures)
    every = torch.cat([stored.train.images, stored.test.images])
    expected = torch.from_numpy(np.array(whole)).permute(2, 0, 1)[:, 5:133]
    assert any(torch.equal(image, expected) for image in every)


def test_the_moments_of_a_large_set_are_those_of_a_sample_that_is_always_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 40)
    monkeypatch.setattr(folders, "LOOKED_AT", 20)
    one, same = load(tmp_path, size=8, memory=0), load(tmp_path, size=8, memory=0)
    held = load(tmp_path, size=8)
    assert one.mean == same.mean != held.mean
    assert one.mean == pytest.approx(held.mean, abs=0.02)
    assert one.fingerprint() == same.fingerprint() != held.fingerprint()


def test_streamed_pictures_that_do_not_fit_together(tmp_path: Path) -> None:
    fill(tmp_path)
    with pytest.raises(UserError, match=r"pictures of 10 x 12 pixels; write folder:.*,size=N to make all N x N"):
        load(tmp_path, memory=0)
    for number in range(6):  # five of them may be in the test split, which is read when it is needed
        (tmp_path / "class 0" / f"{number}.png").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"class 0/\d+\.png: cannot be read as a picture"):
        load(tmp_path, size=8, memory=0)


def test_some_classes_are_read_alone(tmp_path: Path) -> None:
    for split in ("train", "test"):
        fill(tmp_path / split, 4, classes=3)
    (tmp_path / "train" / "class 1" / "0.png").write_bytes(b"damaged, but not asked for")
    loaded = load(tmp_path, size=8, classes="class 2/class 0")
    assert (loaded.classes, len(loaded.train)) == (("class 0", "class 2"), 8)
    assert load(tmp_path, size=8, classes="class 2/class 0", memory=0).train.labels.tolist() == [0] * 4 + [1] * 4
    with pytest.raises(
        UserError, match=r"option classes=class 9 of 'folder': no class 'class 9'; the nearest of 3 classes are"
    ):
        load(tmp_path, classes="class 9")


def test_grey_pictures_in_colour(tmp_path: Path) -> None:
    fill(tmp_path, grey=True, size=(8, 8))
    grey = load(tmp_path)
    for memory in (0, 4):
        colour = load(tmp_path, channels=3, memory=memory)
        assert (colour.shape, colour.mean) == ((3, 8, 8), grey.mean * 3)
        ((images, _),) = colour.train.batches([torch.arange(4)])
        assert torch.equal(images[:, 0], images[:, 2])


def test_top5_of_a_hundred_streamed_classes(tmp_path: Path) -> None:
    fill(tmp_path, 2, classes=100, grey=True, size=(4, 4))
    with pytest.raises(UserError, match="too few to split"):
        load(tmp_path)
    fill(tmp_path / "train", 2, classes=100, grey=True, size=(4, 4))
    fill(tmp_path / "test", 1, classes=100, grey=True, size=(4, 4))
    test = drawn(load(tmp_path, memory=0)).test

    class Fixed(nn.Module):
        def forward(self, pictures: Tensor) -> Tensor:
            return torch.arange(100.0).expand(len(pictures), 100)

    result = evaluate(Fixed(), test)
    assert (result.accuracy, result.top5) == (0.01, 0.05)


def test_one_colour_picture_in_another_split_makes_all_colour(tmp_path: Path) -> None:
    for split in ("train", "test"):
        fill(tmp_path / split, 3, grey=True, size=(8, 8))
    before = load(tmp_path)
    Image.new("RGB", (8, 8), (200, 0, 50)).save(tmp_path / "test" / "class 1" / "1.png")
    after = load(tmp_path)
    assert after.shape == (3, 8, 8)
    for old, new in ((before.train, after.train), (before.test, after.test)):
        assert isinstance(old, Pictures) and isinstance(new, Pictures)
        expected = old.images.expand(-1, 3, -1, -1).clone()
        if old is before.test:
            expected[4] = torch.tensor([200, 0, 50], dtype=torch.uint8).view(3, 1, 1)
        assert torch.equal(new.images, expected)


PROBE = """
import sys
from pathlib import Path
import torch
from prunebench.plugins.dataset import Source
from prunebench.datasets.folder import DATASET
from prunebench.study.environment import peak_memory

def load(size):
    return DATASET.load(Source(Path("/nowhere"), argument=sys.argv[1]), size=size)

torch.set_num_threads(1)
load(8).fingerprint()
before, loaded = peak_memory("cpu"), load(512)
loaded.fingerprint()
print(peak_memory("cpu") - before, loaded.train.images.nbytes + loaded.test.images.nbytes)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the memory of this process alone")
def test_reading_needs_the_memory_of_the_pixels_once(tmp_path: Path) -> None:
    fill(tmp_path, 70)
    probe = subprocess.run([sys.executable, "-c", PROBE, tmp_path], check=True, capture_output=True, text=True)
    grown, pixels = map(int, probe.stdout.split())
    assert pixels == 140 * 3 * 585**2
    assert 0.8 * pixels < grown < 1.3 * pixels  # a few are copied at a time, for moments and fingerprint
