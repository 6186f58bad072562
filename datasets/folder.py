"""Any folder of pictures with a folder for each class (torchvision's ImageFolder layout)."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from prunebench.dataset import Dataset, Loaded, Pictures, Source
from prunebench.datasets._common import moments, split_test
from prunebench.errors import UserError

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
VALIDATION = ("val", "valid", "validation")
TEST_SHARE = 0.2
Array = NDArray[np.uint8]
Labelled = tuple[list[Array], list[int]]


def folder(source: Source, *, size: int = 0) -> Loaded:
    """Read ``PATH/train/CLASS/*``, ``PATH/test/CLASS/*`` and, if there, ``PATH/val/CLASS/*``; or ``PATH/CLASS/*``.

    The latter is split: a fifth of each class for the test, the same pictures always. A relative PATH is sought in the
    working folder, then in the data root. Pictures are (1, s, s) if all are grey, else (3, s, s).

    size: the side s: the shorter side is resized to it and the centre cut out. 0: as they are, all square and of one
    size. Raises `UserError` for what is missing, unreadable or does not fit together.
    """
    if size < 0:
        raise UserError(f"option size={size} of 'folder' must be a number of pixels, or 0 for pictures as they are")
    path = _find(source)
    if not (path / "train").is_dir():
        classes = _classes(path)
        (pictures,) = _pictures(path, [_read(path, classes, size)])
        train, test = split_test(pictures, round(len(pictures) * TEST_SHARE))
        return Loaded(train, test, classes, *moments(train.images))
    names = ["train", "test", *[name for name in VALIDATION if (path / name).is_dir()][:1]]
    if not (path / "test").is_dir():
        raise UserError(f"{path} has train/ but no test/; the test pictures need a folder of their own")
    classes = _classes(path / "train")
    for name in names[1:]:
        if _classes(path / name) != classes:
            raise UserError(f"{path}: train/ and {name}/ have different classes; each needs {', '.join(classes)}")
    splits = _pictures(path, [_read(path / name, classes, size) for name in names])
    return Loaded(
        splits[0], splits[1], classes, *moments(splits[0].images), validation=splits[2] if len(splits) > 2 else None
    )


def _find(source: Source) -> Path:
    given = Path(source.argument).expanduser()
    for path in (given, source.root / given):
        if path.is_dir():
            return path
    raise UserError(
        f"folder:{given} does not exist; give a folder with train/ and test/, or with a folder for each class"
    )


def _classes(path: Path) -> tuple[str, ...]:
    names = tuple(sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith(".")))
    if not names:
        raise UserError(f"{path} has no folders of classes; pictures belong in {path}/CLASS/")
    return names


def _read(path: Path, classes: tuple[str, ...], size: int) -> Labelled:
    """Read one split, sorted by class and file: pictures (height, width) if grey, else (height, width, 3); labels."""
    pictures: list[Array] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(
            f for f in (path / name).rglob("*") if f.suffix.lower() in SUFFIXES and not f.name.startswith(".")
        )
        if not files:
            raise UserError(f"{path / name} has no pictures; known are {', '.join(sorted(SUFFIXES))}")
        pictures += [_picture(file, size) for file in files]
        labels += [label] * len(files)
    return pictures, labels


def _picture(file: Path, size: int) -> Array:
    try:
        with Image.open(file) as opened:
            image = _eight_bit(opened)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{file}: cannot be read as a picture: {' '.join(str(error).split())}") from None
    pixels = np.asarray(_square(image, size) if size else image)
    grey = pixels.ndim == 3 and (pixels == pixels[..., :1]).all()
    return np.ascontiguousarray(pixels[..., 0] if grey else pixels)


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    if image.mode.startswith("I;16"):  # PIL would clip 16 bits, not scale them
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {image.mode} have no fixed range; save it with 8 or 16 bits")
    return image.convert("RGB")


def _square(image: Image.Image, size: int) -> Image.Image:
    """Resize the shorter side to `size`, cut out the centre."""
    factor = size / min(image.size)
    width, height = (max(size, round(side * factor)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


def _pictures(path: Path, splits: list[Labelled]) -> list[Pictures]:
    """Stack the splits' pictures, with as many channels as the most colourful one has."""
    arrays = [array for pictures, _ in splits for array in pictures]
    shapes = sorted({array.shape[:2] for array in arrays})
    if len(shapes) > 1 or shapes[0][0] != shapes[0][1]:
        found = " and ".join(f"{width} x {height}" for height, width in (shapes[:1] + shapes[-1:])[: len(shapes)])
        raise UserError(f"{path} has pictures of {found} pixels; write folder:{path},size=N to make all N x N")
    if any(array.ndim == 3 for array in arrays):
        splits = [([a if a.ndim == 3 else np.repeat(a[..., None], 3, 2) for a in p], labels) for p, labels in splits]
    return [_stack(*split) for split in splits]


def _stack(arrays: list[Array], labels: list[int]) -> Pictures:
    images = torch.from_numpy(np.stack(arrays))
    images = images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2).contiguous()
    return Pictures(images, torch.tensor(labels))


DATASET = Dataset(
    folder,
    augment=("crop", "flip"),  # usual for natural pictures of this size since CIFAR
    takes_argument="PATH",
    licence="that of the pictures in the folder",
    citation="that of the pictures in the folder",
    source="PATH",
)
