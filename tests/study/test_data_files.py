"""What a run notes of its test pictures: labels as they are, pictures chosen once for all networks."""

import base64
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from prunebench.data.loaded import Loaded
from prunebench.data.pictures import Pictures
from prunebench.records.files import read_data
from prunebench.study.data_files import LARGEST, _names, choose_pictures, describe
from prunebench.study.grid import make_grid
from prunebench.study.progress import Progress
from prunebench.study.run import run


def loaded(images: Tensor, centre: int = 0) -> Loaded:
    split = Pictures(images, torch.arange(len(images)) % 2)
    return Loaded(split, split, ("cat", "dog"), (0.0,), (1.0,), centre=centre)


def decoded(png: str) -> Any:
    return np.asarray(Image.open(BytesIO(base64.b64decode(png))))


def test_pictures_are_the_same_each_time_and_of_all_classes() -> None:
    labels = torch.arange(1000) % 10
    chosen = choose_pictures(labels, 13)
    assert chosen.tolist() == choose_pictures(labels, 13).tolist() and len(set(chosen.tolist())) == 13
    counts = torch.bincount(labels[chosen], minlength=10)
    assert int(counts.min()) == 1 and int(counts.max()) == 2
    assert labels[chosen].tolist() == sorted(labels[chosen].tolist())
    assert set(choose_pictures(labels, 10).tolist()) < set(chosen.tolist())  # asking for more keeps the first ones
    assert chosen.tolist() != list(range(13)) and len(choose_pictures(labels, 0)) == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_a_thumbnail_is_the_picture_itself(channels: int) -> None:
    images = torch.randint(0, 256, (4, channels, 8, 8), dtype=torch.uint8)
    found = describe(loaded(images), "f", 4)
    assert found.true.tolist() == [0, 1, 0, 1] and found.classes == ("cat", "dog")
    for one in found.thumbnails:
        assert (decoded(one.png) == images[one.picture].permute(1, 2, 0).squeeze(2).numpy()).all()


def test_large_pictures_shrink_and_floats_and_odd_channels_are_grey() -> None:
    large = torch.full((2, 3, 300, 300), 77, dtype=torch.uint8)
    assert decoded(describe(loaded(large), "f", 1).thumbnails[0].png).shape == (LARGEST, LARGEST, 3)
    floats = torch.tensor([[-2.0, 0.0], [1.0, 2.0]]).expand(2, 2, 2, 2)
    assert decoded(describe(loaded(floats), "f", 1).thumbnails[0].png).tolist() == [[0, 128], [191, 255]]
    whole = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4).expand(2, 1, 4, 4)
    assert decoded(describe(loaded(whole, centre=2), "f", 1).thumbnails[0].png).tolist() == [[5, 6], [9, 10]]


def test_a_run_notes_its_data_once_and_thumbnails_change_no_key(tiny: Callable[..., Any], tmp_path: Path) -> None:
    def records(**options: Any) -> list[Any]:
        with Progress() as progress:
            return run(make_grid(tiny(tmp_path, criteria="magnitude", keep="macs=0.5", **options)), progress)

    first = records()
    (path,) = (tmp_path / "data").iterdir()
    assert path.stem == first[0].fingerprint and read_data(tmp_path)[path.stem].thumbnails == ()
    digits, labels = load_digits(return_X_y=True)
    found = read_data(tmp_path)[path.stem]
    assert first[0].per_image is not None and found.pictures == first[0].per_image.pictures
    assert ((found.true == first[0].per_image.predicted.unpack(found.pictures)) == first[0].per_image.right()).all()
    assert set(found.true) == set(labels) and len(digits) > found.pictures
    second = records(thumbnails=3)
    assert [one.key for one in second] == [one.key for one in first] and [one.facts() for one in second] == [
        one.facts() for one in first
    ]
    assert len(read_data(tmp_path)[path.stem].thumbnails) == 3
    before = path.stat().st_ino  # another file is put in place of an old one
    records(thumbnails=2)
    assert path.stat().st_ino == before and "thumbnails" not in json.dumps(first[0].protocol)


def test_every_class_gets_a_name_of_its_own() -> None:
    assert _names(["a (2)", "a", "a", "a (2)"]) == ("a (2)", "a", "a (3)", "a (2) (3)")
    assert len(set(_names(["", "0", "1", "", "b" * 2000, "b" * 2000]))) == 6
