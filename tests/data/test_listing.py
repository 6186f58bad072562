import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from prunebench.data.listing import describe, list_pictures
from prunebench.errors import UserError


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4)).save(path, format="png")


def listed(path: Path, *classes: str) -> tuple[list[str], str]:
    files = list_pictures(path, "", classes)
    return [os.fsdecode(name) for name in files.names], describe(files.left_out)


def test_names_are_sorted_as_paths_are(tmp_path: Path) -> None:
    for name in ("b/1.png", "b-/0.png", "b/a/2.PNG", "b/.hidden.png", "b/notes.txt"):
        picture(tmp_path / "cat" / name)
    found = list_pictures(tmp_path, "", ("cat",)).paths()
    kept = [f for f in (tmp_path / "cat").rglob("*") if f.suffix.lower() == ".png" and not f.name.startswith(".")]
    assert [Path(file) for file in found] == sorted(kept)


def test_a_part_of_a_split_keeps_names_and_labels_together(tmp_path: Path) -> None:
    for name in ("0", "1"):
        for i in range(3):
            picture(tmp_path / f"class {name}" / f"{i}.png")
    files = list_pictures(tmp_path, "", ("class 0", "class 1"))
    part = files[torch.tensor([5, 0])]
    assert [Path(file).name for file in part.paths()] == ["2.png", "0.png"]
    assert part.labels.tolist() == [1, 0]
    assert replace(part).names.tolist() == [b"class 1/2.png", b"class 0/0.png"]


def test_hidden_names_at_every_depth_are_left_out_and_counted(tmp_path: Path) -> None:
    names = ("cat/1.png", "cat/.ipynb_checkpoints/1-checkpoint.png", "cat/a/__MACOSX/._1.png", "cat/a/@eaDir/1.png")
    for name in (*names, "cat/a/2.png", "cat/._2.png", "__MACOSX/cat/1.png", "3.png", "cat/Thumbs.db", "cat/a/x.heic"):
        picture(tmp_path / name)
    found, left_out = listed(tmp_path, "cat")
    assert found == ["cat/1.png", "cat/a/2.png"]
    assert left_out == (
        "5 hidden (__MACOSX, ._2.png, .ipynb_checkpoints, ...), 2 of other types (.db, .heic), "
        "1 outside the class folders (.png)"
    )


def test_classes_that_were_not_chosen_are_not_counted(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/notes.txt"):
        picture(tmp_path / name)
    assert listed(tmp_path, "cat") == (["cat/1.png"], "")


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPEG", ".Tif", ".jif", ".avif", ".pnm", ".jp2"])
def test_suffixes_of_pictures(suffix: str, tmp_path: Path) -> None:
    picture(tmp_path / "cat" / f"1{suffix}")
    assert listed(tmp_path, "cat") == ([f"cat/1{suffix}"], "")


def test_links_are_followed_and_end(tmp_path: Path) -> None:
    for name in ("data/cat/1.png", "data/dog/1.png", "elsewhere/more/2.png"):
        picture(tmp_path / name)
    root = tmp_path / "data"
    (root / "cat" / "more").symlink_to(tmp_path / "elsewhere" / "more")
    (root / "eel").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    for name, target in (("cat/self", root / "cat"), ("cat/up", root), ("cat/top", tmp_path)):
        (root / name).symlink_to(target)
    (root / "cat" / "file.png").symlink_to(root / "dog" / "1.png")
    (tmp_path / "elsewhere" / "more" / "again").symlink_to(tmp_path / "elsewhere" / "more")
    found, left_out = listed(root, "cat", "dog", "eel")
    assert found == ["cat/1.png", "cat/file.png", "cat/more/2.png", "dog/1.png", "eel/more/2.png"]
    assert left_out == "5 links that lead back (cat/more/again, cat/self, cat/top, ...)"


def test_pipes_are_no_pictures_and_broken_links_are(tmp_path: Path) -> None:
    """Opening a pipe that nobody writes into would wait for ever."""
    picture(tmp_path / "cat" / "1.png")
    os.mkfifo(tmp_path / "cat" / "x.png")
    (tmp_path / "cat" / "link.png").symlink_to(tmp_path / "cat" / "x.png")
    assert listed(tmp_path, "cat") == (["cat/1.png"], "2 of other types (.png)")
    (tmp_path / "cat" / "broken.png").symlink_to(tmp_path / "nowhere.png")
    assert listed(tmp_path, "cat")[0] == ["cat/1.png", "cat/broken.png"]


def test_a_class_without_pictures_and_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.txt")
    with pytest.raises(UserError, match=r"cat has no pictures; known file types are \.apng, .*\.jfif"):
        listed(tmp_path, "cat")
    with pytest.raises(UserError, match="dog: the folder cannot be read: No such file or directory; check"):
        listed(tmp_path, "dog")


def test_what_was_left_out_in_words() -> None:
    assert describe(Counter()) == ""
    assert describe(Counter({("hidden", f".{i}"): 1 for i in range(4)})) == "4 hidden (.0, .1, .2, ...)"
