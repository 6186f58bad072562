from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from prunebench.data.loaded import Loaded
from prunebench.datasets.folder import DATASET
from prunebench.errors import UserError
from prunebench.plugins.dataset import Source


def picture(path: Path, level: int, size: tuple[int, int] = (8, 8), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).convert(mode).save(path)


def fill(folder: Path, count: int = 5, mode: str = "L", size: tuple[int, int] = (8, 8)) -> None:
    for number, name in enumerate(("cat", "dog")):
        for i in range(count):
            picture(folder / name / f"{i}.png", 100 * number + i, size, mode)


def load(path: Path, **options: int) -> Loaded:
    return DATASET.load(Source(Path("/nowhere"), argument=str(path)), **options)


def test_train_validation_and_test(tmp_path: Path) -> None:
    for split, count in (("train", 5), ("val", 2), ("test", 3)):
        fill(tmp_path / split, count)
    loaded = load(tmp_path)
    assert loaded.validation is not None
    assert (len(loaded.train), len(loaded.validation), len(loaded.test)) == (10, 4, 6)
    assert (loaded.classes, loaded.shape) == (("cat", "dog"), (1, 8, 8))
    assert loaded.train.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]
    assert loaded.train.labels.tolist() == [0] * 5 + [1] * 5
    assert loaded.mean == pytest.approx((52 / 255,))


def test_validation_may_be_missing(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test")
    assert load(tmp_path).validation is None


def test_one_folder_is_split_the_same_way_always(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    loaded = load(tmp_path)
    assert loaded.test.labels.bincount().tolist() == [2, 2]
    levels = [*loaded.train.images[:, 0, 0, 0].tolist(), *loaded.test.images[:, 0, 0, 0].tolist()]
    assert sorted(levels) == [*range(10), *range(100, 110)]
    assert load(tmp_path).fingerprint() == loaded.fingerprint()


def test_a_relative_path_is_sought_in_the_data_root(tmp_path: Path) -> None:
    fill(tmp_path / "pets")
    assert len(DATASET.load(Source(tmp_path, argument="pets")).train) == 8


def test_grey_pictures_saved_in_colour_have_one_channel(tmp_path: Path) -> None:
    fill(tmp_path, mode="RGB")
    assert load(tmp_path).shape == (1, 8, 8)


def test_one_coloured_picture_makes_three_channels(tmp_path: Path) -> None:
    fill(tmp_path)
    Image.new("RGB", (8, 8), (200, 0, 50)).save(tmp_path / "cat" / "red.png")
    loaded = load(tmp_path)
    assert loaded.shape == (3, 8, 8)
    colours = torch.cat([loaded.train.images, loaded.test.images])[:, :, 0, 0].tolist()
    assert [200, 0, 50] in colours
    assert [104, 104, 104] in colours


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK"])
def test_other_modes(mode: str, tmp_path: Path) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    for name in ("cat", "dog"):
        for i in range(5):
            picture(tmp_path / name / f"{i}.{suffix}", 255, mode=mode)
    loaded = load(tmp_path)
    assert loaded.shape == (1, 8, 8)
    assert loaded.train.images.eq(255).all()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    fill(tmp_path)
    Image.fromarray(np.full((8, 8), 0x80FF, dtype=np.uint16)).save(tmp_path / "dog" / "0.png")
    loaded = load(tmp_path)
    assert 0x80 in torch.cat([loaded.train.images, loaded.test.images]).flatten().tolist()


def test_size_resizes_the_shorter_side_and_cuts_the_centre(tmp_path: Path) -> None:
    fill(tmp_path)
    stripes = np.repeat(np.array([[10] * 8 + [200] * 16 + [10] * 8], dtype=np.uint8), 16, axis=0)
    Image.fromarray(stripes).save(tmp_path / "dog" / "wide.png")  # 32 x 16: at 8 pixels its centre is all 200
    loaded = load(tmp_path, size=8)
    assert loaded.shape == (1, 8, 8)
    images = torch.cat([loaded.train.images, loaded.test.images])
    (wide,) = images[images[:, 0, 4, 4] == 200]
    assert wide[:, :, 1:-1].eq(200).all()


def test_pictures_of_two_sizes_need_one(tmp_path: Path) -> None:
    fill(tmp_path)
    picture(tmp_path / "dog" / "tall.png", 3, (8, 12))
    with pytest.raises(
        UserError, match=r"pictures of 8 x 8 and 8 x 12 pixels; write folder:.*,size=N to make all N x N"
    ):
        load(tmp_path)


def test_pictures_that_are_not_square_need_a_size(tmp_path: Path) -> None:
    fill(tmp_path, size=(8, 6))
    with pytest.raises(UserError, match=r"pictures of 8 x 6 pixels; write folder:.*,size=N"):
        load(tmp_path)
    assert load(tmp_path, size=6).shape == (1, 6, 6)


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "cat" / "0.png").write_bytes((tmp_path / "cat" / "0.png").read_bytes()[:40])
    with pytest.raises(UserError, match=r"cat/0\.png: cannot be read as a picture"):
        load(tmp_path)
    Image.fromarray(np.zeros((8, 8), dtype=np.float32)).save(tmp_path / "cat" / "0.tif")
    (tmp_path / "cat" / "0.png").unlink()
    with pytest.raises(UserError, match=r"cat/0\.tif: .*mode F have no fixed range"):
        load(tmp_path)


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"folder:.*/none does not exist; give a folder with train/ and test/"):
        load(tmp_path / "none")
    with pytest.raises(UserError, match=r"has no folders of classes; pictures belong in .*/CLASS/"):
        load(tmp_path)
    fill(tmp_path / "train")
    with pytest.raises(UserError, match="has train/ but no test/"):
        load(tmp_path)
    picture(tmp_path / "test" / "cat" / "0.png", 1)
    with pytest.raises(UserError, match="train/ and test/ have different classes; each needs cat, dog"):
        load(tmp_path)
    (tmp_path / "test" / "dog").mkdir()
    with pytest.raises(UserError, match="test/dog has no pictures"):
        load(tmp_path)


def test_negative_size(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="option size=-1 of 'folder' must be a number of pixels"):
        load(tmp_path, size=-1)
