"""Any folder of pictures with one folder per class (torchvision's ImageFolder layout)."""

from pathlib import Path

from prunebench import (
    Dataset,
    Loaded,
    ReadOptions,
    Source,
    UserError,
    chosen_classes,
    class_folders,
    common_classes,
    list_pictures,
    read_pictures,
    split_test,
)

VALIDATION = ("val", "valid", "validation")
TEST_SHARE = 0.2


def folder(source: Source, *, size: int = 0, classes: str = "", channels: int = 0, memory: float = 4.0) -> Loaded:
    """Read ``PATH/train/CLASS/*``, ``PATH/test/CLASS/*`` and, if present, ``PATH/val/CLASS/*``; or ``PATH/CLASS/*``.

    Without train/, a fifth of each class is the test split, always the same pictures. A relative PATH is looked up in
    the working folder, then in the data root. Pictures are (1, s, s) if all are grey, else (3, s, s).

    Args:
        source: its argument is the PATH.
        size: the side s. The shorter side is resized to s and the centre is cut out. From 96 on, training crops at
            random from a side of 8/7 s. With 0, pictures keep their size; all must be square and equally large.
        classes: ``10`` for the first ten, ``cat/dog`` for these two.
        channels: 3 for colour, even if all pictures are grey.
        memory: GiB of pixels. Worker processes decode larger sets from their files; with 0, all sets.

    Raises:
        UserError: files are missing, unreadable or do not fit together.
    """
    path = _find(source)
    wanted = ReadOptions(f"folder:{path}", size, channels, memory)
    split = (path / "train").is_dir()
    if split and not (path / "test").is_dir():
        raise UserError(f"{path} has train/ but no test/; put the test pictures into {path}/test/CLASS")
    splits = ["train", "test", *[name for name in VALIDATION if (path / name).is_dir()][:1]]
    names = common_classes(path, splits) if split else class_folders(path)
    if classes:
        names = tuple(names[number] for number in chosen_classes(classes, names, "folder"))
    if split:
        return read_pictures([list_pictures(path, name, names) for name in splits], names, wanted)
    every = list_pictures(path, "", names)
    return read_pictures(split_test(every, round(len(every) * TEST_SHARE)), names, wanted)


def _find(source: Source) -> Path:
    given = Path(source.argument).expanduser()
    for path in (given, source.root / given):
        if path.is_dir():
            return path
    raise UserError(
        f"folder:{given} does not exist; give a folder with train/ and test/, or with a folder for each class"
    )


DATASET = Dataset(
    folder,
    augment=("crop", "flip"),  # usual for small natural pictures since CIFAR; `read_pictures` augments large ones
    takes_argument="PATH",
    licence="the licence of your pictures",
    citation="the citation of your pictures",
    source="PATH",
)
