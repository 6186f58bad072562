"""Shapes of reshapes, concatenations and paddings, read from the graph that autograd keeps."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

from torch import Tensor


def keeps_channels(grad_fn: Any) -> bool:
    """Tell whether a reshape keeps axis 1, flattens all axes after the batch, or belongs to a linear layer."""
    before, after = _before(grad_fn), shape(grad_fn)
    flattens = len(after) == 2 and after[0] == before[0]
    linear = 2 in (len(before), len(after)) and before[-1:] == after[-1:]
    vector = len(long := [side for side in before if side > 1]) == 1 and long == [side for side in after if side > 1]
    return before[:2] == after[:2] or flattens or linear or vector


def flattened(grad_fn: Any) -> int:
    """Give the number of positions of each channel that a flattening puts side by side; 1 for other reshapes."""
    before, after = _before(grad_fn), shape(grad_fn)
    flat = len(after) == 2 < len(before) and after[0] == before[0] and after[1] == prod(before[1:])
    return prod(before[2:]) if flat else 1


def concatenated(grad_fn: Any, known: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Give the first and last channel (exclusive) of every followed input of a concatenation of channels.

    known: parameters that are followed; other leaves of the graph, such as pictures, only take their place. An input
    outside the graph gets the place that is left; of several, the last.
    """
    rank = len(shape(grad_fn))
    axis = grad_fn._saved_dim if grad_fn._saved_dim < rank else grad_fn._saved_dim + rank - 2**64
    parts = grad_fn.next_functions
    sizes = [_size(function, number, axis) for function, number in parts]
    left = shape(grad_fn)[axis] - sum(size or 0 for size in sizes)
    unknown = [place for place, size in enumerate(sizes) if size is None]
    starts = [0]
    for place, size in enumerate(sizes):
        starts.append(starts[-1] + (size if size is not None else left if place == unknown[-1] else 0))
    ends = list(pairwise(starts))
    ends = ends if axis == 1 else [(0, 2**31)] * len(parts)  # along another axis, all keep their channels
    return [end for end, (function, _) in zip(ends, parts, strict=True) if _followed(function, known)]


def pads_channels(grad_fn: Any) -> bool:
    """Tell whether a padding adds channels."""
    pads: tuple[int, ...] = getattr(grad_fn, "_saved_pad", ())  # from the last axis on, two each
    return bool(pads) and any(pads[2 * (len(shape(grad_fn)) - 2) :])


def _before(grad_fn: Any) -> tuple[int, ...]:
    return tuple(getattr(grad_fn, "_saved_self_sym_sizes", ()))


def shape(grad_fn: Any) -> tuple[int, ...]:
    """Give the shape of the tensor that a node made."""
    return tuple(grad_fn._input_metadata[0].shape)


def _size(function: Any, number: int, axis: int) -> int | None:
    if function is None:
        return None
    sizes = function.variable.shape if hasattr(function, "variable") else function._input_metadata[number].shape
    return int(sizes[axis])


def _followed(function: Any, known: Sequence[Tensor]) -> bool:
    return function is not None and not (
        hasattr(function, "variable") and not any(function.variable is one for one in known)
    )
