from pathlib import Path

import pytest

from prunebench.data import duplicates
from prunebench.data.duplicates import shared_pictures
from prunebench.data.listing import list_pictures
from prunebench.data.streaming import Files


def files(path: Path, split: str, **contents: str) -> Files:
    (path / split / "cat").mkdir(parents=True)
    for name, content in contents.items():
        (path / split / "cat" / f"{name}.png").write_text(content)
    return list_pictures(path, split, ("cat",))


def test_files_of_the_same_bytes_are_named(tmp_path: Path) -> None:
    train = files(tmp_path, "train", a="one", b="one", c="two", d="six", e="long one")
    test = files(tmp_path, "test", f="one", g="six", h="two", i="new")
    validation = files(tmp_path, "val", j="new")
    assert shared_pictures({"train": train, "test": test, "validation": validation}) == [
        "3 test pictures have the same bytes as one of train: "
        "test/cat/f.png = train/cat/a.png; test/cat/g.png = train/cat/d.png; ...",
        "1 validation picture has the same bytes as one of test: val/cat/j.png = test/cat/i.png",
    ]
    assert shared_pictures({"train": train}) == []


def test_only_files_of_equal_sizes_are_read_and_not_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {
        "train": files(tmp_path, "train", a="one", b="three"),
        "test": files(tmp_path, "test", c="two", d="seventy"),
    }
    read: list[str] = []
    monkeypatch.setattr(duplicates, "digest_of", lambda content: read.append(content.decode()) or content)
    assert shared_pictures(parts) == []
    assert read == ["one", "two"]
    monkeypatch.setattr(duplicates, "READ_AT_LOAD", 5)
    assert shared_pictures(parts) == [
        f"too many files have equal sizes to compare them here; run: prunebench data check {tmp_path}"
    ]
