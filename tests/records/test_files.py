"""What a results folder says of its test pictures: read whole, or refused in one line."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from prunebench.errors import UserError
from prunebench.records.files import PNG, DataFile, RunFile, Thumbnail, read_data, united
from prunebench.records.packed import Packed

PICTURE = base64.b64encode(PNG + b"rest").decode()


def facts(**changes: Any) -> dict[str, Any]:
    labels = Packed.pack([0, 1, 1], "uint8").model_dump()
    whole = {"schema_version": 3, "fingerprint": "f", "classes": ["cat", "dog"], "pictures": 3, "labels": labels}
    return whole | {"thumbnails": [{"picture": 2, "png": PICTURE}]} | changes


def put(folder: Path, data: Any) -> Path:
    (folder / "data").mkdir(exist_ok=True)
    path = folder / "data" / "f.json"
    path.write_text(json.dumps(data))
    return path


def test_labels_and_names_are_read_by_fingerprint(tmp_path: Path) -> None:
    assert read_data(tmp_path) == {}
    put(tmp_path, facts())
    found = read_data(tmp_path)["f"]
    assert found.true.tolist() == [0, 1, 1] and found.classes == ("cat", "dog") and found.thumbnails[0].picture == 2
    again = RunFile.model_validate({"schema_version": 3, "data": [facts()]})  # in a benchmark JSON
    assert again.data == (found,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": 9}, "schema 9, this version reads schema 3"),
        ({"labels": Packed.pack([0, 1, 2], "uint8").model_dump()}, "labels holds a number that is none of 2 classes"),
        ({"labels": Packed.pack([0.5, 1, 1], "float32").model_dump()}, "labels holds a number that is none of"),
        ({"labels": Packed.pack([0, 1], "uint8").model_dump()}, "labels holds 2 numbers, not 3"),
        ({"labels": Packed.pack([0] * 10**6, "uint8").model_dump()}, "labels holds more numbers, not 3"),
        ({"classes": ["one"]}, "classes"),
        ({"classes": ["a\nb", "c"]}, "holds a control character"),
        ({"pictures": 0}, "pictures"),
        ({"thumbnails": [{"picture": 3, "png": PICTURE}]}, "a picture beyond the 3 test pictures"),
        ({"thumbnails": [{"picture": 0, "png": "<script>"}]}, "holds no PNG in base64"),
        ({"thumbnails": [{"picture": 0, "png": base64.b64encode(b"<svg/>").decode()}]}, "holds no PNG in base64"),
        ({"thumbnails": [{"picture": 0, "png": "A" * 300_000}]}, "png"),
        ({"thumbnails": [{"picture": 0, "png": PICTURE}] * 21}, "thumbnails"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_one_line(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = put(tmp_path, facts(**changes))
    with pytest.raises(UserError) as error:
        read_data(tmp_path)
    assert str(path) in str(error.value) and words in str(error.value) and "\n" not in str(error.value)


def test_of_several_descriptions_the_first_with_most_pictures_counts() -> None:
    none, one = DataFile.model_validate(facts(thumbnails=[])), DataFile.model_validate(facts())
    other = one.model_copy(update={"thumbnails": (Thumbnail(picture=0, png=PICTURE),)})
    assert united([none, one, other])["f"] is one and united([none])["f"] is none


def test_a_small_file_cannot_ask_for_a_billion_cells() -> None:
    one = {"dataset": "digits", "model": "lenet5", "criterion": "taylor", "seeds": list(range(1000))}
    asked = {"ranking": "local", "metric": "macs", "keeps": [0.5] * 1000, "trajectories": [one]}
    few = asked | {"keeps": [0.5] * 500}
    assert RunFile.model_validate({"schema_version": 3, "asked": [few]}).asked[0].size == 500_000
    for many in ([asked], [few, few | {"metric": "units"}]):
        with pytest.raises(ValueError, match="1000000 requested cells, more than 500000"):
            RunFile.model_validate({"schema_version": 3, "asked": many})
