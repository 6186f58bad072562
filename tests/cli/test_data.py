"""`prunebench data check` as a user sees it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draws = np.random.default_rng(0)
    for split, count in (("Training", 8), ("val", 3)):
        for name in ("ant", "bee"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = draws.integers(0, 256, (12 + i, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{i}.png")
    return tmp_path


def test_a_sound_folder(command: Command, folder: Path) -> None:
    (folder / "Training" / "ant" / "notes.txt").write_text("")
    (folder / "more").mkdir()
    code, out, _ = command("data", "check", f"folder:{folder},size=32")
    assert code == 0
    assert out.splitlines()[:4] == [
        f"{folder}: 22 pictures",
        "no test split: name one as an option, such as folder:PATH,test=val or folder:PATH,test=0.2",
        "in no split: more/",
        "left out 1 of other types (.txt)",
    ]
    rows = [line.split() for line in out.splitlines()]
    assert ["train", "ant", "8", "12", "x", "12", "to", "12", "x", "19", "(8", "sizes)", "RGB", "8"] in rows
    assert ["validation", "bee", "3", "12", "x", "12", "to", "12", "x", "14", "(3", "sizes)", "RGB", "3"] in rows
    assert out.count("  none") == 3


def test_faults_are_named_and_exit_with_1(command: Command, folder: Path) -> None:
    for i in range(7):
        (folder / "val" / "ant" / f"copy{i}.png").write_bytes((folder / "Training" / "bee" / f"{i}.png").read_bytes())
    (folder / "val" / "bee" / "0.png").write_bytes(b"no picture")
    code, out, _ = command("data", "check", folder)
    assert code == 1
    assert "val/bee/0.png: cannot identify image file" in out
    assert "7 of 13 pictures of validation have a twin in train, 7 of them in another class" in out
    assert "val/ant/copy0.png = Training/bee/0.png" in out and "copy6" not in out
    assert "... and 2 more; --all names them" in out
    assert "copy6" in command("data", "check", folder, "--all")[1]


def test_a_folder_that_is_no_dataset_is_described_as_well(command: Command, folder: Path) -> None:
    Image.new("L", (4, 4)).save(folder / "val" / "ant" / "x.png")
    code, out, _ = command("data", "check", folder / "val" / "ant")
    assert code == 0
    assert "refused as a dataset: " in out and "has no folders of classes" in out
    assert ["all", "(none)", "4"] in [line.split()[:3] for line in out.splitlines()]
    code, out, err = command("data", "check", folder / "none")
    assert (code, out) == (2, "")
    assert f"{folder}/none: no such folder; give a folder of pictures, or folder:PATH" in err
