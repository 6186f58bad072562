"""What an inspection finds in pictures that were made alike on purpose."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from prunebench.data import inspection
from prunebench.data.inspection import inspect, nearest
from prunebench.data.looking import look
from prunebench.errors import UserError


def photo(seed: int, side: int = 64) -> Image.Image:
    """Draw a smooth coloured picture."""
    levels = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize((side, side), Image.Resampling.BICUBIC)


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(12):
        save(photo(i), tmp_path / "train" / "cat" / f"{i:02}.png")
        save(photo(100 + i), tmp_path / "test" / "cat" / f"{i:02}.png")
    return tmp_path


def named(folder: Path, exact: bool) -> list[tuple[str, str]]:
    found = inspect(folder)
    every = found.exact() if exact else found.near()
    names = {split: seen.names for split, seen in found.splits.items()}
    return [(names[t.split][one], names[t.earlier][two]) for t in every for one, two in t.pairs]


def test_equal_files_are_exact_duplicates_within_and_across_splits(folder: Path) -> None:
    assert named(folder, True) == named(folder, False) == []
    content = (folder / "train/cat/03.png").read_bytes()
    for name in ("train/cat/90.png", "train/dog/91.png", "test/cat/x.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    assert named(folder, True) == [
        ("train/cat/90.png", "train/cat/03.png"),
        ("train/dog/91.png", "train/cat/03.png"),
        ("test/cat/x.png", "train/cat/03.png"),
    ]
    assert named(folder, False) == []


@pytest.mark.parametrize(
    ("change", "suffix"),
    [
        (lambda image: image, "bmp"),
        (lambda image: image, "jpg"),
        (lambda image: image.convert("L"), "png"),
        (lambda image: image.resize((97, 97)), "png"),
        (lambda image: image.crop((1, 1, 63, 63)), "png"),
        (lambda image: ImageEnhance.Brightness(image).enhance(0.7), "png"),
    ],
    ids=["file type", "compressed", "grey", "size", "cut", "darker"],
)
def test_changed_copies_are_near_duplicates(
    change: Callable[[Image.Image], Image.Image], suffix: str, folder: Path
) -> None:
    save(change(photo(5)), folder / "test" / "cat" / f"copy.{suffix}")
    assert named(folder, False) == [(f"test/cat/copy.{suffix}", "train/cat/05.png")]


def test_pictures_of_one_level_and_unreadable_files_are_alike_to_nothing(folder: Path) -> None:
    for split in ("train", "test"):
        save(Image.new("L", (8, 8), 7), folder / split / "cat" / f"{split}.png")
        save(Image.new("L", (9, 9), 7), folder / split / "cat" / f"{split}9.png")
        (folder / split / "cat" / "broken.png").write_text(split)
    assert [name.partition(":")[0] for name in inspect(folder).broken()] == [
        "train/cat/broken.png",
        "test/cat/broken.png",
    ]
    assert [one for pair in named(folder, False) for one in pair] == []


def test_what_a_look_sees(tmp_path: Path) -> None:
    save(Image.new("I;16", (5, 4)), tmp_path / "deep.png")
    save(photo(1, 400), tmp_path / "large.jpg")
    deep, large = look([str(tmp_path / "deep.png"), str(tmp_path / "large.jpg")])
    assert (deep.width, deep.height, deep.mode, deep.error) == (5, 4, "I;16", "")
    assert (large.width, large.height, large.mode) == (400, 400, "RGB")
    assert large.thumbnail is not None
    assert float(np.square(large.thumbnail).sum()) == pytest.approx(1)
    assert float(large.thumbnail.sum()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("at_once", [1, 30, 2**24])
def test_each_thumbnail_is_paired_with_the_nearest_one(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "_AT_ONCE", at_once)
    rows = torch.nn.functional.normalize(torch.randn(20, 256, generator=torch.Generator().manual_seed(0)))
    later = rows[[3, 7]] + 1e-3 * rows[[8, 9]]
    assert nearest(later, rows, False) == [(0, 3), (1, 7)]
    assert nearest(torch.cat([rows, rows[[4]], later]), torch.cat([rows, rows[[4]], later]), True) == [
        (20, 4),
        (21, 3),
        (22, 7),
    ]


def test_too_many_pictures_are_not_compared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(photo(5), folder / "test" / "cat" / "copy.bmp")
    monkeypatch.setattr(inspection, "MOST", 24)
    found = inspect(folder)
    assert found.large and found.near() == []


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no pictures; give a folder of pictures"):
        inspect(tmp_path)
