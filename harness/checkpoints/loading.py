"""Loads checkpoint files into a network, and hashes them."""

import hashlib
from collections.abc import Collection
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from prunebench.checkpoints.names import COUNTER, check_names, find, notes
from prunebench.checkpoints.parts import joined
from prunebench.checkpoints.reading import read_tensors, refused
from prunebench.checkpoints.values import check_kind, check_part, converted, usable
from prunebench.plugins.model import last_layer
from prunebench.pruning.layers import ChannelPad

_PAD = ("index", "scale")


def load_checkpoint(model: nn.Module, path: Path, name: str, *, skip: Collection[str] = ()) -> tuple[str, ...]:
    """Copy a checkpoint's parameters and buffers into a network, in place; device and dtype stay.

    The network's tensors are sought in the file by their names, at any depth of dicts and behind any prefix. Names of
    wrappers (`module`, `_orig_mod`) do not count. Where several places fit, the order of `PLACES` decides. All names at
    this place must be the network's. BatchNorm's counters, the buffers that `ChannelPad` computes, and what FLOP
    counters leave may be missing or added. Weights in parts are joined; see `parts.joined`.

    Args:
        model: a newly built network.
        path: the checkpoint file.
        name: name of the network in error messages.
        skip: parameters to leave as they are, with the buffers of their layers: a new classifier, as
            `Model.classifier` names it.

    Returns:
        Sentences that say what in the file was not read, if that can be a mistake.

    Raises:
        UserError: the file is missing or unreadable, or has another architecture, other classes or channels, or
            tensors that are no plain finite numbers.
    """
    own = model.state_dict()
    left = {_layer(parameter) for parameter in skip}
    wanted = {key: tensor for key, tensor in own.items() if _layer(key) not in left}
    pads = [layer for layer, module in model.named_modules() if isinstance(module, ChannelPad)]
    computed = {f"{layer}.{buffer}" for layer in pads for buffer in _PAD}
    needed = {key: None for key in wanted if key not in computed and not key.endswith(COUNTER)}
    given = joined(read_tensors(path), own, partial(check_part, path))
    found = find(given, own, needed, path)
    unknown = [key for key in found.state if key not in own and _layer(key) not in left]
    check_names([key for key in needed if key not in found.state], unknown, path, name)
    shared = {key: tensor for key, tensor in found.state.items() if key in wanted}
    for key, tensor in shared.items():
        check_kind(path, key, tensor)
        if tensor.shape != wanted[key].shape:
            raise refused(path, _other_shape(model, key, tensor, wanted[key], name))
    values = {key: converted(path, key, tensor, wanted[key]) for key, tensor in shared.items() if usable(key, tensor)}
    with torch.no_grad():
        for key, tensor in values.items():
            wanted[key].copy_(tensor)
    return tuple(f"--weights {path}: {note}" for note in notes(found))


def checkpoint_digest(path: Path) -> str:
    """Hash a file: SHA-256, 16 hex digits. Raises `UserError` where the file cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise refused(path, f"cannot be read: {error.strerror}") from None


def _layer(key: str) -> str:
    return key.rpartition(".")[0]


def _other_shape(model: nn.Module, key: str, given: Tensor, own: Tensor, name: str) -> str:
    shapes = f"'{key}' is {_shape(given)} in the file and {_shape(own)} in {name}"
    same = given.dim() == own.dim()
    first = next((layer for layer, module in model.named_modules() if isinstance(module, nn.Conv2d)), "")
    if _layer(key) == last_layer(model) and same and given.shape[1:] == own.shape[1:]:
        classes = f"the checkpoint has {len(given)} classes, the dataset {len(own)}"
        return f"{shapes}: {classes}; give --frozen-epochs to train a new classifier"
    if key == f"{first}.weight" and same and len(given) == len(own) and given.shape[2:] == own.shape[2:]:
        channels = f"the checkpoint is for pictures of {given.shape[1]} channels, the dataset has {own.shape[1]}"
        return f"{shapes}: {channels}; give a checkpoint or a dataset of the same number"
    return f"{shapes}: the checkpoint has another width or architecture; give a checkpoint of {name}"


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
