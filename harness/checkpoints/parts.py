"""Weights that a file holds in parts, as pruning and weight normalisation store them."""

import re
from collections.abc import Callable, Collection

import torch
from torch import Tensor

from prunebench.checkpoints.reading import State


def joined(given: State, own: Collection[str], check: Callable[[str, Tensor], None]) -> State:
    """Compute the parameters that pruning and weight normalisation store in parts.

    `weight_orig` and `weight_mask` give their product; `weight_g` and `weight_v`, or `original0` and `original1` of a
    parametrization, give the direction v with the length g. Names that the network has itself stay as they are.

    check: raises an error for a tensor that cannot be computed with.
    """
    own_ends = {name.rpartition(".")[2] for name in own}
    result = dict(given)
    for name in given:
        for first, second, whole, combine in _PARTS:
            other, target = re.sub(first, second, name), re.sub(first, whole, name)
            if other == name or other not in given or name.rpartition(".")[2] in own_ends:
                continue
            check(name, given[name])
            check(other, given[other])
            if (value := combine(given[name], given[other])) is not None:
                del result[name], result[other]
                result[target] = value
    return result


def _masked(weight: Tensor, mask: Tensor) -> Tensor | None:
    return weight * mask if weight.shape == mask.shape else None


def _scaled(length: Tensor, direction: Tensor) -> Tensor | None:
    """Give each slice of `direction` its length; the sides of 1 in `length` are those that a norm runs over."""
    if length.dim() not in (0, direction.dim()) or not (length.is_floating_point() and direction.is_floating_point()):
        return None
    length = length.view((1,) * direction.dim()) if length.dim() == 0 else length
    inner = [dim for dim, side in enumerate(length.shape) if side == 1]
    if any(direction.shape[dim] != side for dim, side in enumerate(length.shape) if side != 1):
        return None
    norm: Tensor = torch.linalg.vector_norm(direction, dim=inner, keepdim=True)
    return direction * (length / norm)


_PARTS = (
    (r"_orig$", "_mask", "", _masked),  # torch.nn.utils.prune
    (r"_g$", "_v", "", _scaled),  # torch.nn.utils.weight_norm
    (r"parametrizations\.(\w+)\.original0$", r"parametrizations.\1.original1", r"\1", _scaled),
)
