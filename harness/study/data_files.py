"""Writes what reports need to know of the test pictures: true labels, names of classes, and a few small pictures."""

import base64
from collections.abc import Sequence
from functools import partial
from io import BytesIO

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from prunebench.data.loaded import Loaded
from prunebench.data.pictures import central
from prunebench.errors import printable
from prunebench.records.files import DataFile, Thumbnail, read_file
from prunebench.records.packed import Packed
from prunebench.records.record import SCHEMA
from prunebench.seeding import generator
from prunebench.study.grid import Grid, prepare_task
from prunebench.study.store import Store

LARGEST = 96  # pixels of a thumbnail's longer side


def write_data_files(store: Store, grid: Grid) -> None:
    """Describe the test pictures of every dataset of a grid, once for each fingerprint.

    A description is written anew only where it holds fewer thumbnails than the run asks for.
    """
    for pair in dict.fromkeys((job.dataset, job.model) for job in grid.jobs):
        task = prepare_task(grid.spec, *pair)
        path = store.folder / "data" / f"{task.fingerprint}.json"
        with store.lock("data"):
            wanted = min(grid.spec.thumbnails, len(task.loaded.test))
            found = store.stored(path, partial(read_file, DataFile), "it is written again")
            if found is None or len(found.thumbnails) < wanted:
                store.write_json(path, describe(task.loaded, task.fingerprint, wanted).model_dump(mode="json"))


def describe(loaded: Loaded, fingerprint: str, thumbnails: int = 0) -> DataFile:
    """Describe the test pictures of a dataset, with some of them as thumbnails."""
    labels, classes = loaded.test.labels.cpu(), loaded.classes
    chosen = choose_pictures(labels, thumbnails)
    return DataFile(
        schema_version=SCHEMA,
        fingerprint=fingerprint,
        classes=_names(classes),
        pictures=len(labels),
        labels=Packed.pack(labels.numpy(), "uint8" if len(classes) <= 256 else "int64"),
        thumbnails=tuple(
            Thumbnail(picture=picture, png=png)
            for picture, png in zip(chosen.tolist(), _pngs(loaded, chosen), strict=True)
        ),
    )


def _names(classes: Sequence[str]) -> tuple[str, ...]:
    r"""Write the names of classes so that a record may hold them, and each is another.

    >>> _names(["cat", "a\nb", "cat", ""])
    ('cat', 'a\\nb', 'cat (2)', '3')
    """
    names: list[str] = []
    for number, name in enumerate(classes):
        name = printable(name)[:900] or str(number)
        own, more = name, number
        while own in names:
            own, more = f"{name} ({more})", more + 1
        names.append(own)
    return tuple(names)


def choose_pictures(labels: Tensor, count: int) -> Tensor:
    """Choose pictures at random, always the same, and as many of each class as can be.

    labels: (n,). Returns indices (count,), sorted by label.

    >>> labels = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    >>> labels[choose_pictures(labels, 3)].tolist()
    [0, 1, 2]
    """
    order = torch.randperm(len(labels), generator=generator(0, "thumbnails"))
    seen: dict[int, int] = {}
    turns = []
    for label in labels[order].tolist():
        turns.append(seen.get(label, 0))
        seen[label] = turns[-1] + 1
    first = order[torch.tensor(turns).argsort(stable=True)[:count]]
    chosen: Tensor = first[labels[first].argsort(stable=True)]
    return chosen


def _pngs(loaded: Loaded, chosen: Tensor) -> list[str]:
    if not len(chosen):
        return []
    each = torch.split(torch.arange(len(chosen)), 1)
    return [_png(images[0], loaded.centre) for images, _ in loaded.test[chosen].batches(each)]


def _png(image: Tensor, centre: int) -> str:
    """Encode a picture (channels, height, width) as networks see it, in base64. Odd channels become grey."""
    image = central(image, centre) if centre else image
    if image.is_floating_point():  # such pictures have no scale of their own
        low, high = image.min(), image.max()
        image = ((image - low) / (high - low).clamp_min(1e-12) * 255).round()
    pixels = image.float() if image.shape[0] in (1, 3) else image.float().mean(dim=0, keepdim=True)
    if max(pixels.shape[-2:]) > LARGEST:
        sides = [max(1, round(side * LARGEST / max(pixels.shape[-2:]))) for side in pixels.shape[-2:]]
        pixels = F.interpolate(pixels[None], sides, mode="bilinear", antialias=True)[0]
    whole = pixels.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    file = BytesIO()
    Image.fromarray(whole if whole.shape[2] == 3 else whole[:, :, 0]).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()
