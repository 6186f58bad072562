from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunebench.data.loaded import Loaded
from prunebench.datasets.covid_radiography import DATASET
from prunebench.errors import UserError
from prunebench.plugins.dataset import Source

DRAWS = np.random.default_rng(0)


def picture(path: Path, pixels: np.ndarray | None = None) -> np.ndarray:  # type: ignore[type-arg]
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = DRAWS.integers(0, 256, (24, 24)).astype(np.uint8) if pixels is None else pixels
    Image.fromarray(chosen).save(path)
    return chosen


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, count in (("train", 6), ("val", 2), ("test", 3)):
        for name in ("COVID", "Normal"):
            for number in range(count):
                picture(tmp_path / "covid-radiography-24" / split / name / f"{name}-{split}{number}.png")
    return tmp_path


def load(root: Path, **options: str) -> Loaded:
    return DATASET.with_options(options).load(Source(root))


def twin(root: Path, one: str, other: str, brighter: int = 0) -> None:
    """Make a picture of one split nearly that of another."""
    folder = root / "covid-radiography-24"
    pixels = np.asarray(Image.open(folder / other)).astype(int)
    picture(folder / one, np.clip(pixels + brighter, 0, 255).astype(np.uint8))


def test_the_papers_folders(root: Path) -> None:
    loaded = load(root)
    assert loaded.validation is not None
    assert [len(part) for part in (loaded.train, loaded.validation, loaded.test)] == [12, 4, 6]
    assert (loaded.classes, loaded.shape) == (("COVID", "Normal"), (1, 24, 24))
    assert "0 training pictures have a near-duplicate in another split" in loaded.notes[-1]
    assert load(root, channels="3").shape == (3, 24, 24)
    assert load(root, twins="drop").fingerprint() == loaded.fingerprint()


def test_twins_in_other_splits_are_told_and_left_out_of_training(root: Path) -> None:
    twin(root, "train/COVID/COVID-train1.png", "test/COVID/COVID-test2.png", brighter=3)
    twin(root, "train/COVID/COVID-train4.png", "test/COVID/COVID-test2.png")  # a second twin of the same picture
    twin(root, "train/Normal/Normal-train0.png", "val/Normal/Normal-val1.png")
    twin(root, "train/Normal/Normal-train5.png", "train/Normal/Normal-train4.png")  # inside a split they do no harm
    kept, dropped = load(root), load(root, twins="drop")
    assert "3 training pictures have a near-duplicate in another split: train/COVID/COVID-train1.png" in kept.notes[-1]
    assert kept.notes[-1].endswith("twins=drop leaves them out") and dropped.notes[-1].endswith("; left out")
    assert (len(kept.train), len(dropped.train)) == (12, 9)
    assert dropped.train.labels.tolist() == [0] * 4 + [1] * 5
    assert (len(dropped.test), len(dropped.validation or ())) == (6, 4)
    assert kept.fingerprint() != dropped.fingerprint()


def test_large_pictures_are_not_mirrored(root: Path) -> None:
    assert DATASET.augment == ("crop",)
    assert load(root, size="96").augment == ("resized_crop",)


def test_what_is_missing_is_said(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"covid_radiography is not in .*nowhere: put the pictures into"):
        load(tmp_path / "nowhere")
    (root / "COVID-Radiography").mkdir()
    with pytest.raises(UserError, match="COVID-Radiography and covid-radiography-24; keep one of them there"):
        load(root)


def test_an_unknown_choice_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="twins"):
        load(root, twins="hide")
