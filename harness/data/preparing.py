"""Options of every dataset: some of its classes, another size, three channels, another augmentation."""

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

import torch

from prunebench.data.loaded import Loaded, Samples
from prunebench.data.pictures import Pictures
from prunebench.data.sources import check_shape
from prunebench.errors import UserError


def prepare(
    loaded: Loaded, name: str, *, size: int = 0, classes: str = "", channels: int = 0, augment: str = ""
) -> Loaded:
    """Apply the options to a dataset.

    Args:
        loaded: the dataset. Its mean and deviation stay those of the whole training split.
        name: of the dataset, for messages.
        size: side in pixels: each batch has its shorter sides resized to `size` and the centre cut out. 0: own size.
        classes: ``10`` for the first ten classes, ``cat/dog`` for these two. Labels are renumbered in the same order.
        channels: 3 gives grey pictures three equal channels; 0 keeps the channels.
        augment: other kinds of augmentation, as ``crop/flip``, or ``none``.
    """
    if classes:
        loaded = _with_classes(loaded, chosen_classes(classes, loaded.classes, name))
    check_shape(name, size, channels)
    if size and (size, size) != loaded.shape[1:]:
        loaded = replace(loaded.each(lambda split: replace(_in_memory(split, name), side=size)), centre=0)
    if channels > loaded.shape[0]:
        loaded = loaded.each(lambda split: _in_colour(_in_memory(split, name)))
        loaded = replace(loaded, mean=loaded.mean * 3, std=loaded.std * 3)
    if augment:
        loaded = replace(loaded, augment=tuple(augment.split("/")) if augment != "none" else ())
    return loaded


def chosen_classes(text: str, names: Sequence[str], where: str) -> list[int]:
    """Give the ascending numbers of the classes that an option names. where: the dataset, for messages.

    >>> chosen_classes("2", ("cat", "dog", "elk"), "zoo"), chosen_classes("elk/cat", ("cat", "dog", "elk"), "zoo")
    ([0, 1], [0, 2])
    """
    if text.isdecimal():
        if not 2 <= int(text) <= len(names):
            most = f"2 to {len(names)}" if len(names) > 2 else "2"
            allowed = f"{most}, or names with / between them"
            raise UserError(f"option classes={text} of '{where}': allowed are {allowed}")
        return list(range(int(text)))
    parts, chosen = text.split("/"), set()
    while parts:
        known = [n for n in range(len(parts), 0, -1) if "/".join(parts[:n]) in names]  # a class name may contain a /
        if not known:
            near = get_close_matches(parts[0], names, n=3, cutoff=0.4) or list(names[:3])
            hint = f"the nearest of {len(names)} classes are {', '.join(near)}"
            raise UserError(f"option classes={text} of '{where}': no class '{parts[0]}'; {hint}")
        chosen.add(names.index("/".join(parts[: known[0]])))
        parts = parts[known[0] :]
    return sorted(chosen)


def _with_classes(loaded: Loaded, chosen: list[int]) -> Loaded:
    numbers = torch.full((len(loaded.classes),), -1)
    numbers[chosen] = torch.arange(len(chosen))

    def part(split: Samples) -> Samples:
        labels = numbers[split.labels]
        index = torch.nonzero(labels >= 0).flatten()
        return split[index].relabelled(labels[index])

    return replace(loaded.each(part), classes=tuple(loaded.classes[number] for number in chosen))


def _in_memory(split: Samples, name: str) -> Pictures:
    if not isinstance(split, Pictures):
        raise UserError(f"dataset '{name}' is not in memory; its own loader must offer the options size and channels")
    return split


def _in_colour(split: Pictures) -> Pictures:
    return replace(split, images=split.images.expand(-1, 3, -1, -1))
