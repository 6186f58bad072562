"""Weights from a checkpoint file, as they are published: wrapped, prefixed, of torch or safetensors."""

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
PLACES = ("state_dict", "model_state_dict", "model", "net", "network", "params_ema", "params")
_PAD = ("index", "scale")
COUNTER = "num_batches_tracked"  # of a BatchNorm; decides nothing while its momentum is a number


def load_checkpoint(model: nn.Module, path: Path, name: str, *, skip: Collection[str] = ()) -> None:
    """Load the weights in a file into a network, in place, on its device and in its dtype.

    The file holds a state dict (by ``torch.save``, or safetensors by its suffix), or a dict with one under one of
    `PLACES`. A prefix that all its names share and the network's lack (`module.`, `model.`, ...) is taken away. It must
    have all the parameters and buffers of the network and no others, except BatchNorm's counters and what our
    `ChannelPad` computes by itself. Objects are never unpickled.

    Args:
        model: a network as it was built.
        path: the file.
        name: how errors call the network.
        skip: parameters that stay as they are, with the buffers of their layers, whatever the file has for them: a new
            classifier, as `Model.classifier` names it.

    Raises:
        UserError: the file is missing or unreadable, of another architecture, other classes or channels.
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
            raise _bad(path, _other_shape(model, key, given[key], wanted[key], name))
    with torch.no_grad():
        for key in shared:
            wanted[key].copy_(given[key])


def checkpoint_digest(path: Path) -> str:
    """Hash a file: SHA-256, 16 hex digits. Raises `UserError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror}") from None


def _state(path: Path) -> State:
    """Read a file and find the state dict in it."""
    content = _read(path)
    if not isinstance(content, Mapping):
        raise _bad(path, f"holds a {type(content).__name__}, not a state dict; save model.state_dict()")
    for place in (content, *(content[key] for key in PLACES if isinstance(content.get(key), Mapping))):
        if place and all(isinstance(value, Tensor) for value in place.values()):
            return {str(key): value for key, value in place.items()}
    found = ", ".join(map(str, list(content)[:8])) or "nothing"
    raise _bad(path, f"has no state dict, neither as a whole nor under {', '.join(PLACES)}; it has {found}")


def _read(path: Path) -> Any:
    if not path.is_file():
        raise _bad(path, "no such file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        if "GLOBAL" not in str(error) and "allowlisted" not in str(error):
            raise _bad(path, "cannot be read as weights: not written by torch.save, or not whole") from None
        what = "holds pickled objects, which can run code and are refused; save model.state_dict() alone"
        raise _bad(path, what) from None
    except (EOFError, LookupError):
        raise _bad(path, "cannot be read as weights: not written by torch.save, or not whole") from None
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise _bad(path, f"cannot be read as weights: {_line(error)}") from None


def _bad(path: Path, what: str) -> UserError:
    return UserError(f"--weights {path}: {what}")


def _line(error: Exception) -> str:
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
    others = [key for key in given if key not in wanted and not key.endswith(COUNTER)]
    if not missing and not others:
        return
    parts = [f"it lacks {len(missing)} of its tensors ('{missing[0]}')"] if missing else []
    parts += [f"has {len(others)} that do not belong there ('{others[0]}')"] if others else []
    raise _bad(
        path,
        f"holds the weights of another architecture than {name}: {' and '.join(parts)}; "
        "give the file of this network, or the network of this file",
    )


def _other_shape(model: nn.Module, key: str, given: Tensor, own: Tensor, name: str) -> str:
    """Say what a tensor of another shape means."""
    shapes = f"'{key}' is {_shape(given)} in the file and {_shape(own)} in {name}"
    same = given.dim() == own.dim()
    first = next((layer for layer, module in model.named_modules() if isinstance(module, nn.Conv2d)), "")
    if _layer(key) == last_layer(model) and same and given.shape[1:] == own.shape[1:]:
        return f"{shapes}: {len(given)} classes, not {len(own)}; --frozen-epochs gives the network a new classifier"
    if key == f"{first}.weight" and same and len(given) == len(own) and given.shape[2:] == own.shape[2:]:
        channels = f"{given.shape[1]} channels, not {own.shape[1]}"
        return f"{shapes}: pictures of {channels}; take data or weights with the same number"
    return f"{shapes}: another width or form of the network; give the file of this one"


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"
