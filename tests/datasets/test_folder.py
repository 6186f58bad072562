import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from prunebench.data.loaded import Loaded, Samples
from prunebench.data.pictures import Pictures
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


def load(path: Path, **options: int | str) -> Loaded:
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


def levels(split: Samples | None) -> list[int]:
    assert isinstance(split, Pictures)
    return sorted(split.images[:, 0, 0, 0].tolist())


def test_splits_by_their_usual_names(tmp_path: Path) -> None:
    for split, count in (("Training", 5), ("Valid", 2), ("Testing", 3), ("extra", 1)):
        fill(tmp_path / split, count)
    loaded = load(tmp_path)
    assert [len(levels(part)) for part in (loaded.train, loaded.validation, loaded.test)] == [10, 4, 6]
    told, *shared = loaded.notes
    read = "read Training/ as train, Testing/ as test, Valid/ as validation"
    assert told == f"{tmp_path}: {read}; not read: extra/"
    assert [note.partition(" have")[0] for note in shared] == [
        f"{tmp_path}: 6 test pictures",
        f"{tmp_path}: 4 validation pictures",
        f"{tmp_path}: 4 validation pictures",
    ]


def test_the_test_split_may_be_val_or_drawn_from_train(tmp_path: Path) -> None:
    fill(tmp_path / "train", 10)
    fill(tmp_path / "val", 2)
    cures = r"test=val to test on val/, or folder:.*,test=0\.2 to draw a fifth of train/, or put pictures into .*/test/"
    with pytest.raises(UserError, match=f"has train/ and val/ but no test/; write folder:.*,{cures}"):
        load(tmp_path)
    from_val = load(tmp_path, test="val")
    assert (len(from_val.train), levels(from_val.test), from_val.validation) == (20, [0, 1, 100, 101], None)
    drawn, again = load(tmp_path, test="0.3"), load(tmp_path, test="0.3")
    assert sorted(levels(drawn.train) + levels(drawn.test)) == [*range(10), *range(100, 110)]
    assert drawn.test.labels.bincount().tolist() == [3, 3]
    assert levels(drawn.validation) == [0, 1, 100, 101]
    assert drawn.fingerprint() == again.fingerprint() != from_val.fingerprint()


def test_a_test_folder_without_classes_needs_another_test_split(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    picture(tmp_path / "test" / "1.png", 3)
    with pytest.raises(UserError, match=r"has train/ but test/ has no folders of classes; write folder:.*,test=0\.2"):
        load(tmp_path)
    assert load(tmp_path, test="0.4").notes == (f"{tmp_path}: read train/ as train; not read: test/",)


def test_one_folder_with_another_share_of_test_pictures(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    assert load(tmp_path, test="0.5").test.labels.bincount().tolist() == [5, 5]
    for wrong in ("0", "1", "nan", "vall", "-0.1"):
        with pytest.raises(UserError, match=f"option test={wrong} of 'folder': allowed are val, and a share"):
            load(tmp_path, test=wrong)
    with pytest.raises(UserError, match=r"option test=val of 'folder': .* has no val/; write test=0\.2 to draw"):
        load(tmp_path, test="val")


def test_classes_with_names_of_splits_are_named_by_the_user(tmp_path: Path) -> None:
    for number, name in enumerate(("bus", "car", "train")):
        for i in range(5):
            picture(tmp_path / name / f"{i}.png", 50 * number + i)
    with pytest.raises(UserError, match=r"train/, named like splits, .* name all: classes=bus/car/train"):
        load(tmp_path)
    assert load(tmp_path, classes="bus/car/train").classes == ("bus", "car", "train")


def test_copies_in_hidden_folders_do_not_leak(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    hidden = tmp_path / "cat" / ".ipynb_checkpoints"
    shutil.copytree(tmp_path / "cat", hidden)
    loaded = load(tmp_path)
    assert sorted(levels(loaded.train) + levels(loaded.test)) == [*range(10), *range(100, 110)]
    assert loaded.notes == (f"{tmp_path}: left out 1 hidden (.ipynb_checkpoints)",)


def test_a_palette_with_transparency_is_read_in_silence(tmp_path: Path) -> None:
    fill(tmp_path)
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 9, 9, 9])
    image.save(tmp_path / "cat" / "p.png", transparency=b"\x00\x80")
    loaded = load(tmp_path)
    assert 9 in levels(loaded.train) + levels(loaded.test)


def test_negative_size(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="option size=-1 of 'folder' must be a number of pixels"):
        load(tmp_path, size=-1)
