"""Checks the numbers of a file: plain, finite, and of the kind that a network holds."""

from pathlib import Path

import torch
from torch import Tensor

from prunebench.checkpoints.names import COUNTER
from prunebench.checkpoints.reading import refused
from prunebench.records.validation import short


def check_kind(path: Path, key: str, tensor: Tensor) -> None:
    """Refuse a tensor that has no plain numbers."""
    kinds = {"nested": tensor.is_nested, "sparse": tensor.layout != torch.strided, "complex": tensor.is_complex()}
    for kind, true in (kinds | {"quantised": tensor.is_quantized, "meta": tensor.is_meta}).items():
        if true:
            raise refused(path, f"'{key}' is a {kind} tensor; save plain dense numbers, as model.state_dict() has them")


_COMPUTED = (  # types of numbers that torch multiplies with one another
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
)


def check_part(path: Path, key: str, tensor: Tensor) -> None:
    """Refuse a tensor that another one cannot be computed from.

    One that repeats few stored numbers is refused, too: a product would store each, perhaps terabytes.
    """
    key = short(key)
    check_kind(path, key, tensor)
    if tensor.dtype not in _COMPUTED:
        raise refused(path, f"'{key}' is {tensor.dtype}, which cannot be computed with; save it as float32")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise refused(
            path, f"'{key}' repeats the same numbers; save plain dense numbers, as model.state_dict() has them"
        )


def converted(path: Path, key: str, tensor: Tensor, own: Tensor) -> Tensor:
    """Convert a tensor to the network's type. Raises `UserError` for another kind of numbers, and for nan and inf."""
    if (tensor.is_floating_point(), tensor.dtype == torch.bool) != (own.is_floating_point(), own.dtype == torch.bool):
        given, needed = (str(one.dtype).removeprefix("torch.") for one in (tensor, own))
        raise refused(path, f"'{key}' is {given}, the network needs {needed}; save the numbers as the network has them")
    try:
        value = tensor.to(own.dtype)
    except (RuntimeError, NotImplementedError):
        raise refused(path, f"'{key}' is {tensor.dtype}, which cannot be converted; save it as float32") from None
    if value.is_floating_point() and not value.isfinite().all():
        raise refused(path, f"'{key}' has numbers that are nan or infinite; give a checkpoint of a sound training")
    if key.endswith("running_var") and (value < 0).any():
        raise refused(path, f"'{key}' has variances below zero; give a checkpoint of a sound training")
    return value


def usable(key: str, tensor: Tensor) -> bool:
    """Tell whether to take a tensor: a counter of BatchNorm that was halved with the weights counts nothing."""
    return not key.endswith(COUNTER) or not tensor.is_floating_point()
