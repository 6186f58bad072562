from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prunebench.data.decoding import Form, decode, header, read, survey
from prunebench.errors import CellError, UserError


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A grey picture, one in colour, one of another shape; each of 4 x 4 pixels but the last."""
    Image.new("L", (4, 4), 7).save(tmp_path / "grey.png")
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "colour.png")
    Image.new("L", (6, 4), 9).save(tmp_path / "wide.png")
    return [str(tmp_path / f"{name}.png") for name in ("grey", "colour", "wide")]


def test_pictures_are_brought_to_one_form(files: list[str]) -> None:
    batch = read(files, Form(channels=3, side=2, resize=True))
    assert (batch.shape, batch.dtype) == ((3, 3, 2, 2), np.uint8)
    assert [sorted(set(picture.reshape(3, -1)[:, 0].tolist())) for picture in batch] == [[7], [1, 2, 3], [9]]
    assert read(files[:1], Form(channels=1, side=4)).tolist() == [[[[7] * 4] * 4]]


def test_what_is_not_of_the_form_is_named(files: list[str]) -> None:
    with pytest.raises(CellError, match=r"wide\.png: has 6 x 4 pixels, others 4 x 4; give size=N"):
        read(files, Form(channels=3, side=4))
    with pytest.raises(
        CellError, match=r"colour\.png: is in colour, all pictures sampled before are grey; give channels=3"
    ):
        read(files, Form(channels=1, side=4))
    Path(files[0]).write_bytes(b"no picture")
    with pytest.raises(CellError, match=r"grey\.png: cannot be read as a picture"):
        read(files, Form(channels=3, side=4))


def test_a_survey_by_hand(files: list[str]) -> None:
    (seen,) = survey(files[:2], 0)
    assert (seen.colour, seen.shapes) == (True, {(4, 4)})
    assert [np.flatnonzero(levels).tolist() for levels in seen.counts] == [[1, 7], [2, 7], [3, 7]]
    assert seen.counts[:, 7].tolist() == [16] * 3
    assert not survey([files[0], files[2]], 0)[0].colour
    assert survey(files, 0)[0].shapes == {(4, 4), (4, 6)}


def test_the_header_says_what_decoding_finds(files: list[str]) -> None:
    assert [header(file) for file in files] == [(1, 4, 4), (3, 4, 4), (1, 4, 6)]
    assert [decode(file, 0).shape for file in files] == [(4, 4), (4, 4, 3), (4, 6)]
    with pytest.raises(UserError, match=r"none\.png: cannot be read as a picture"):
        header(Path(files[0]).with_name("none.png"))
