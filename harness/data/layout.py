"""Find the splits and classes of a folder of pictures by the names of its folders."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from prunebench.data.listing import visible_folders
from prunebench.errors import UserError

_WORDS = {
    "train": "train training trn",
    "validation": "val vali valid validate validating validation dev devel development",
    "test": "test testing tst holdout",
    "evaluation": "eval evaluate evaluating evaluation",  # the test split, or validation where there is a test split
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words.split()}
_FILLERS = ("dataset", "sets", "set", "data", "images", "image", "imgs", "img", "pictures", "pics", "split", "folder")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")

Splits = dict[str, str]  # the folder of each split: 'train', 'test', 'validation'


def role_of(name: str, common: Collection[str] = ()) -> str:
    """Give the split that a folder's name means: train, test, validation, evaluation; empty for none.

    common: words without meaning here, as all folders beside this one have them.

    >>> role_of("Training"), role_of("test_images"), role_of("valSet"), role_of("train station")
    ('train', 'test', 'validation', '')
    """
    words = [word for word in _words(name) if word not in common] or _words(name)
    bare = [_bare(word) for word in words if word not in _FILLERS]
    return _ROLES.get(bare[0], "") if len(bare) == 1 else ""


def find_splits(path: Path, classes: Collection[str] = ()) -> Splits:
    """Find the folders of the splits in `path`, such as {'train': 'Training', 'test': 'Testing'}; {} if there are none.

    A folder that alone holds the splits is entered, and so is one of the same meaning, as in ``train_set/train_set``.

    Args:
        path: the folder that may have splits.
        classes: names that the user calls classes, whatever they look like.

    Raises:
        UserError: names look like splits but cannot be taken so: there is no train, train has no class folders, two
            folders have the same meaning, or the splits lie inside the classes.
    """
    names = visible_folders(path)
    found = _by_role(path, names)
    if "train" in found and visible_folders(path / found["train"]):
        return {role: _entered(path, name, role) for role, name in found.items()}
    if set(found.values()) <= {*classes}:
        if len(names) == 1:
            return {role: f"{names[0]}/{place}" for role, place in find_splits(path / names[0], classes).items()}
        _check_inside(path, names)
        return {}
    shown = " and ".join(f"{name}/" for name in found.values())
    lacking = f"no folders of classes in {found['train']}/" if "train" in found else "no train/"
    cure = f"put pictures into {path}/train/CLASS/ and {path}/test/CLASS/"
    example = "/".join(names if len(names) <= 4 else [*names[:3], "..."])
    what = f"{shown}, named like splits, but {lacking}; {cure}; if these are classes, name all: classes={example}"
    raise UserError(f"{path} has {what}")


def class_folders(path: Path) -> tuple[str, ...]:
    """Give the sorted names of the class folders. Raises `UserError` if there are none."""
    names = tuple(visible_folders(path))
    if not names:
        raise UserError(f"{path} has no folders of classes; pictures belong in {path}/CLASS/")
    return names


def common_classes(path: Path, splits: Sequence[str]) -> tuple[str, ...]:
    """Give the classes of several splits, folders in `path`. Raises `UserError` if the classes differ."""
    first, *others = splits
    names = class_folders(path / first)
    for other in others:
        given = class_folders(path / other)
        if given != names:
            shown = ", ".join(names) if len(names) <= 10 else f"the {len(names)} of {first}/"
            lacking, more = _some(set(names) - set(given)), _some(set(given) - set(names))
            differ = [f"lacks {lacking}"] * bool(lacking) + [f"has {more}"] * bool(more)
            what = f"{first}/ and {other}/ have different classes; each needs {shown}"
            raise UserError(f"{path}: {what}; {other}/ {' and '.join(differ)}")
    return names


def _by_role(path: Path, names: Sequence[str]) -> Splits:
    """Give the folder of each role. 'evaluation' becomes test, or validation where there is a test split."""
    common = set.intersection(*(set(_words(name)) for name in names)) if len(names) > 1 else set()
    roles = {name: role for name in names if (role := role_of(name, common))}
    other = "validation" if "test" in roles.values() else "test"
    found: Splits = {}
    for name, role in roles.items():
        first = found.setdefault(other if role == "evaluation" else role, name)
        if first != name:
            raise UserError(f"{path}: {first}/ and {name}/ look like the same split; rename or move one of them")
    return found


def _entered(path: Path, name: str, role: str) -> str:
    """Enter the only folder of a split as long as it has the same name or meaning, or none, such as `images`."""
    inside = visible_folders(path / name)
    if len(inside) != 1:
        return name
    same = inside[0] == name.rpartition("/")[2] or role_of(inside[0]) in (role, "evaluation")
    return _entered(path, f"{name}/{inside[0]}", role) if same or {*_words(inside[0])} <= {*_FILLERS} else name


def _check_inside(path: Path, classes: Sequence[str]) -> None:
    """Refuse splits inside classes, which would be mixed."""
    for name in classes:
        splits = [inside for inside in visible_folders(path / name) if role_of(inside)]
        if len({role_of(split) for split in splits}) > 1:
            shown = " and ".join(f"{split}/" for split in splits)
            raise UserError(f"{path}/{name} has {shown} inside; put splits above classes, as {path}/train/{name}/")


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _bare(word: str) -> str:
    """Cut fillers off a word: `trainset` means `train`."""
    return next((word.removesuffix(end) for end in _FILLERS if word.endswith(end) and word != end), word)


def _some(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
