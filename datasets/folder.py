"""Any folder of pictures with one folder per class (torchvision's ImageFolder layout)."""

from dataclasses import replace
from pathlib import Path

from prunebench import (
    Dataset,
    Loaded,
    ReadOptions,
    Source,
    UserError,
    chosen_classes,
    common_classes,
    find_splits,
    list_pictures,
    read_pictures,
    split_test,
    visible_folders,
)

TEST_SHARE = 0.2
ORDER = ("train", "test", "validation")
PLAIN = {"train", "test", "val", "valid", "validation"}


def folder(
    source: Source, *, size: int = 0, classes: str = "", channels: int = 0, memory: float = 4.0, test: str = ""
) -> Loaded:
    """Read ``PATH/train/CLASS/*``, ``PATH/test/CLASS/*`` and, if present, ``PATH/val/CLASS/*``; or ``PATH/CLASS/*``.

    The names of splits may be in any case and in their usual variants, such as ``Training`` or ``test_images``.
    Without splits, a fifth of each class is the test split, always the same pictures. A relative PATH is looked up in
    the working folder, then in the data root. Pictures are (1, s, s) if all are grey, else (3, s, s).

    Args:
        source: its argument is the PATH.
        size: the side s. The shorter side is resized to s and the centre is cut out. From 96 on, training crops at
            random from a side of 8/7 s. With 0, pictures keep their size; all must be square and equally large.
        classes: ``10`` for the first ten, ``cat/dog`` for these two.
        channels: 3 for colour, even if all pictures are grey.
        memory: GiB of pixels. Worker processes decode larger sets from their files; with 0, all sets.
        test: ``val`` makes val/ the test split; ``0.2`` draws a fifth of each class of the training pictures, always
            the same. By default the folder test/.

    Raises:
        UserError: files are missing, unreadable or do not fit together.
    """
    path = _find(source)
    wanted = ReadOptions(f"folder:{path}", size, channels, memory)
    places = find_splits(path, classes.split("/"))
    share = _share(test, len(places))
    places = _chosen(path, places, test, share)
    names = common_classes(path, list(places.values()))
    if classes:
        names = tuple(names[number] for number in chosen_classes(classes, names, "folder"))
    train, *others = [list_pictures(path, place, names) for place in places.values()]
    if share:
        train, drawn = split_test(train, round(len(train) * share))
        others = [drawn, *others]
    loaded = read_pictures([train, *others], names, wanted)
    return replace(loaded, notes=(*_read_as(path, places), *loaded.notes))


def _share(test: str, splits: int) -> float:
    """Give the share of the training pictures that is drawn as test split; 0 where a folder is the test split."""
    if test in ("", "val"):
        return 0.0 if splits or test else TEST_SHARE
    try:
        share = float(test)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise UserError(f"option test={test} of 'folder': allowed are val, and a share of the training pictures: 0.2")
    return share


def _chosen(path: Path, found: dict[str, str], test: str, share: float) -> dict[str, str]:
    """Choose the folders to read, in the order train, test, validation. Without splits, PATH itself is train."""
    places = found or {"train": ""}
    if test == "val":
        if "validation" not in places:
            raise UserError(f"option test=val of 'folder': {path} has no val/; write test=0.2 to draw the test split")
        return {"train": places["train"], "test": places["validation"]}
    if not share and not ("test" in places and visible_folders(path / places["test"])):
        raise UserError(_without_test(path, places))
    return {role: places[role] for role in ORDER if role in places and not (share and role == "test")}


def _without_test(path: Path, places: dict[str, str]) -> str:
    """Say what is there instead of a test split, and offer another one."""
    have = " and ".join(f"{places[role]}/" for role in ("train", "validation") if role in places)
    lacking = f"{places['test']}/ has no folders of classes" if "test" in places else "no test/"
    cures = [f"folder:{path},test=0.2 to draw a fifth of {places['train']}/", f"put pictures into {path}/test/CLASS/"]
    if "validation" in places:
        cures = [f"folder:{path},test=val to test on {places['validation']}/", *cures]
    return f"{path} has {have} but {lacking}; write {', or '.join(cures)}"


def _read_as(path: Path, places: dict[str, str]) -> tuple[str, ...]:
    """Say which folder is which split where names leave doubt, and which folders are not read."""
    told = f"{path}: read {', '.join(f'{place}/ as {role}' for role, place in places.items())}"
    read = {place.partition("/")[0] for place in places.values()}
    unread = [f"{name}/" for name in visible_folders(path) if name not in read]
    if places == {"train": ""} or (read <= PLAIN and not unread):
        return ()
    return (told + f"; not read: {', '.join(unread)}" * bool(unread),)


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
