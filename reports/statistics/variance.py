"""Decomposition of variance in a full factorial design whose seeds are blocks."""

from collections.abc import Iterable
from itertools import chain, combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.vectors import is_constant


class Source(NamedTuple):
    """One source of variance.

    axes: the factors that act together, one for a main effect; empty for the seeds. squares: sum of squares. noise:
    sum of squares that the scatter between seeds alone would give; 0.0 for the seeds.
    """

    axes: tuple[int, ...]
    squares: float
    noise: float


class Decomposition(NamedTuple):
    """Sums of squares of a design, which add up to `total`.

    sources: each factor, each interaction of factors, then the seeds. residual: the interactions with the seeds.
    """

    sources: tuple[Source, ...]
    residual: float
    total: float


def decompose_variance(values: ArrayLike) -> Decomposition | None:
    """Split the squared deviations from the grand mean by factor.

    values: (levels of factor 1, ..., levels of factor k, seeds), one finite number a cell, k >= 1 and two seeds or
    more. An effect is a mean over all that is not in it, less all smaller effects (Yates 1937; inclusion and
    exclusion). Each effect has an error of its own: its interaction with the seeds (a randomised block design, mixed
    model). Its `noise` is its degrees of freedom times the mean square of that error: what an effect that does not
    exist gives on average. None where all values are equal up to rounding. Raises ValueError for fewer than two
    seeds, for no factor, and for values that are not finite.

    >>> found = decompose_variance([[1.0, 2.0], [4.0, 5.0]])  # two levels three apart, two seeds one apart
    >>> [(one.axes, one.squares) for one in found.sources], found.residual, found.total
    ([((0,), 9.0), ((), 1.0)], 0.0, 10.0)
    """
    y = np.asarray(values, dtype=float)
    if y.ndim < 2 or y.shape[-1] < 2 or not np.isfinite(y).all():
        raise ValueError("values: give one finite number a cell, a factor or more and two seeds or more")
    if is_constant(y.ravel()):
        return None
    seeds = y.ndim - 1
    sources, residual = [], 0.0
    for axes in _subsets(range(seeds)):
        error = _squares(y, (*axes, seeds))
        residual += error
        sources.append(Source(axes, _squares(y, axes), error / (y.shape[-1] - 1)))
    blocks = Source((), _squares(y, (seeds,)), 0.0)
    return Decomposition((*sources, blocks), residual, float(((y - y.mean()) ** 2).sum()))


def _squares(y: NDArray[np.float64], axes: tuple[int, ...]) -> float:
    """Sum the squares of an effect over all cells."""
    effect = np.zeros(tuple(n if axis in axes else 1 for axis, n in enumerate(y.shape)))
    for inner in chain(((),), _subsets(axes)):
        sign = (-1) ** (len(axes) - len(inner))
        effect = effect + sign * y.mean(axis=tuple(set(range(y.ndim)) - set(inner)), keepdims=True)
    return float((effect**2).sum() * y.size / effect.size)


def _subsets(axes: Iterable[int]) -> Iterable[tuple[int, ...]]:
    """Give the subsets that are not empty, the small ones first."""
    every = tuple(axes)
    return chain.from_iterable(combinations(every, size) for size in range(1, len(every) + 1))
