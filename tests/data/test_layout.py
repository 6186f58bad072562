from pathlib import Path

import pytest

from prunebench.data.layout import common_classes, find_splits, role_of
from prunebench.errors import UserError


def folders(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    ("names", "role"),
    [
        ("train Train TRAIN Training training_set train-images trainset TrainingData train_data train2017", "train"),
        ("test Testing TEST test_set test_images testData tst", "test"),
        ("val Valid validation Validation val_images dev valset", "validation"),
        ("eval Evaluation eval_set", "evaluation"),
        ("cat training_station brain restrain latest vale device retrieval tests images set data 1 日本", ""),
    ],
)
def test_names_of_splits(names: str, role: str) -> None:
    assert {name: role_of(name) for name in names.split()} == dict.fromkeys(names.split(), role)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["Training/a", "Testing/a"], {"train": "Training", "test": "Testing"}),
        (["train/a", "dev/a", "eval/a"], {"train": "train", "validation": "dev", "test": "eval"}),
        (["train/a", "eval/a", "test/a"], {"train": "train", "validation": "eval", "test": "test"}),
        (
            ["seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/a", "seg_pred"],
            {"train": "seg_train/seg_train", "test": "seg_test"},
        ),
        (["alphabet_train/a", "alphabet_test/a"], {"train": "alphabet_train", "test": "alphabet_test"}),
        (["train/images/a", "train/images/b", "test/a"], {"train": "train/images", "test": "test"}),
        (["archive/Train/a", "archive/Test/a", "__MACOSX/a"], {"train": "archive/Train", "test": "archive/Test"}),
        (["train/a", "train/b"], {"train": "train"}),
        (["ant", "bee"], {}),
        (["only/a", "only/b"], {}),
    ],
)
def test_splits_of_public_archives(names: list[str], splits: dict[str, str], tmp_path: Path) -> None:
    assert find_splits(folders(tmp_path, *names)) == splits


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["test/a", "val/a"],
            r"has test/ and val/, named like splits, but no train/; put pictures into .*/train/CLASS/ ",
        ),
        (
            ["train", "bus", "car"],
            r"train/, named like splits, but no folders of classes in train/; .* classes=bus/car",
        ),
        (["train/a", "Training/a"], "Training/ and train/ look like the same split; rename or move one of them"),
        (["cat/train", "cat/test", "dog/train"], r"/cat has test/ and train/ inside; put splits above classes"),
    ],
)
def test_what_cannot_be_taken_as_splits_is_refused(names: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        find_splits(folders(tmp_path, *names))


def test_the_user_may_call_them_classes(tmp_path: Path) -> None:
    assert find_splits(folders(tmp_path, "train", "bus", "car"), ["bus", "car", "train"]) == {}
    assert find_splits(folders(tmp_path / "b", "test", "control"), ["control", "test"]) == {}


def test_classes_that_differ_are_named(tmp_path: Path) -> None:
    folders(tmp_path, "train/cat", "train/dog", "test/Cat", "test/dog")
    with pytest.raises(UserError, match=r"train/ and test/ have different .*; test/ lacks cat and has Cat"):
        common_classes(tmp_path, ("train", "test"))
