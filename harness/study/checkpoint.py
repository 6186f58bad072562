"""Loads published checkpoint files: of torch or safetensors, wrapped in a dict, with prefixed names."""

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.plugins.model import last_layer
from prunebench.pruning.layers import ChannelPad

State = dict[str, Tensor]
_TORN = "cannot be read as a checkpoint: not written by torch.save, or truncated; save it again"
PLACES = ("state_dict", "model_state_dict", "model", "net", "network", "params_ema", "params")
_PAD = ("index", "scale")
COUNTER = "num_batches_tracked"  # BatchNorm uses its counter only where its momentum is None


def load_checkpoint(model: nn.Module, path: Path, name: str, *, skip: Collection[str] = ()) -> None:
    """Copy a checkpoint's parameters and buffers into a network, in place; device and dtype stay.

    The file holds a state dict, or a dict with a state dict under a key of `PLACES`. The suffix `.safetensors` means
    safetensors, any other suffix ``torch.save``. A prefix of all names in the file (`module.`, `model.`, ...) is
    removed where the network's names lack it. File and network must then have the same names. BatchNorm's counters
    and the buffers that `ChannelPad` computes may be missing. Pickled objects are refused.

    Args:
        model: a newly built network.
        path: the checkpoint file.
        name: name of the network in error messages.
        skip: parameters to leave as they are, with the buffers of their layers: a new classifier, as
            `Model.classifier` names it.

    Raises:
        UserError: the file is missing or unreadable, or has another architecture, other classes or channels.
    """
    own = model.state_dict()
    given = _without_prefix(_state(path), own)
    left = {_layer(parameter) for parameter in skip}
    wanted = {key: tensor for key, tensor in own.items() if _layer(key) not in left}
    given = {key: tensor for key, tensor in given.items() if _layer(key) not in left}
    computed = {
        f"{layer}.{buffer}" for layer, m in model.named_modules() if isinstance(m, ChannelPad) for buffer in _PAD
    }
    _check_names(given, wanted, computed, path, name)
    shared = [key for key in given if key in wanted]
    for key in shared:
        if given[key].shape != wanted[key].shape:
            raise _refused(path, _other_shape(model, key, given[key], wanted[key], name))
    with torch.no_grad():
        for key in shared:
            wanted[key].copy_(given[key])


def checkpoint_digest(path: Path) -> str:
    """Hash a file: SHA-256, 16 hex digits. Raises `UserError` where the file cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from None


def _state(path: Path) -> State:
    content = _read(path)
    if not isinstance(content, Mapping):
        raise _refused(path, f"holds a {type(content).__name__}, not a state dict; save model.state_dict()")
    for place in (content, *(content[key] for key in PLACES if isinstance(content.get(key), Mapping))):
        if place and all(isinstance(value, Tensor) for value in place.values()):
            return {str(key): value for key, value in place.items()}
    keys = ", ".join(map(str, list(content)[:8])) or "none"
    where = f"neither at the top level nor under {', '.join(PLACES)}"
    raise _refused(path, f"has no state dict, {where}; its keys are {keys}; save model.state_dict()")


def _read(path: Path) -> Any:
    if not path.is_file():
        raise _refused(path, "no such file; give a checkpoint file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        if "GLOBAL" not in str(error) and "allowlisted" not in str(error):
            raise _refused(path, _TORN) from None
        what = "holds pickled objects, which are refused because they can run code; save model.state_dict() alone"
        raise _refused(path, what) from None
    except (EOFError, LookupError):
        raise _refused(path, _TORN) from None
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise _refused(path, f"cannot be read as a checkpoint: {_first_line(error)}") from None


def _refused(path: Path, what: str) -> UserError:
    return UserError(f"--weights {path}: {what}")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _without_prefix(given: State, own: Mapping[str, Tensor]) -> State:
    while not given.keys() & own.keys():
        first, dot, _ = next(iter(given)).partition(".")
        if not dot or not all(key.startswith(f"{first}.") for key in given):
            break
        given = {key.removeprefix(f"{first}."): tensor for key, tensor in given.items()}
    return given


def _layer(key: str) -> str:
    return key.rpartition(".")[0]


def _check_names(given: State, wanted: State, computed: Collection[str], path: Path, name: str) -> None:
    missing = [key for key in wanted if key not in given and key not in computed and not key.endswith(COUNTER)]
    unknown = [key for key in given if key not in wanted and not key.endswith(COUNTER)]
    if not missing and not unknown:
        return
    parts = [f"{len(missing)} tensors are missing ('{missing[0]}')"] if missing else []
    parts += [f"{len(unknown)} tensors are unknown ('{unknown[0]}')"] if unknown else []
    cure = f"give a checkpoint of {name}, or the model of this checkpoint"
    raise _refused(path, f"has another architecture than {name}: {' and '.join(parts)}; {cure}")


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
