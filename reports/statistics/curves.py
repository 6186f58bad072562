"""Accuracy-compression curves: accuracy over the logarithm of the keep, linear between the measured points."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.vectors import finite_vector


def interpolate_accuracy(keeps: ArrayLike, accuracies: ArrayLike, at: ArrayLike) -> NDArray[np.float64]:
    """Accuracy at other keeps, (m,), piecewise linear in log(keep). The curve is never extrapolated.

    keeps: (n,) in (0, 1], distinct, in any order; accuracies: (n,), any unit; at: (m,) within the range of keeps.
    Raises ValueError for anything else.

    >>> interpolate_accuracy([1.0, 0.25], [0.9, 0.7], at=[0.5]).round(6)
    array([0.8])
    """
    x, y = _sorted_curve(keeps, accuracies)
    wanted = finite_vector(at)
    low, high = float(x[0]), float(x[-1])
    if wanted.min() < low or wanted.max() > high:
        outside = wanted[(wanted < low) | (wanted > high)]
        raise ValueError(f"the curve is measured from keep {low:g} to {high:g}, not at {outside[0]:g}")
    return np.interp(np.log(wanted), np.log(x), y)


def shared_range(curves: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """Range of keeps that all curves were measured over: (largest smallest keep, smallest largest keep).

    curves: the keeps of each curve, in any order. None where the curves share no more than one keep. Raises ValueError
    for no curve, or for a curve without keeps.

    >>> shared_range([[1.0, 0.5, 0.1], [0.9, 0.2]])
    (0.2, 0.9)
    """
    if not curves:
        raise ValueError("at least 1 curve is needed, not 0")
    keeps = [finite_vector(curve) for curve in curves]
    low, high = max(float(curve.min()) for curve in keeps), min(float(curve.max()) for curve in keeps)
    return (low, high) if low < high else None


def area_under_curve(keeps: ArrayLike, accuracies: ArrayLike, low: float, high: float) -> float:
    """Mean accuracy from keep low to keep high over log(keep): the exact integral of the curve by log(high / low).

    keeps, accuracies: as for `interpolate_accuracy`. Raises ValueError unless low < high, both within the range of
    keeps.

    >>> round(area_under_curve([1.0, 0.25], [0.9, 0.7], low=0.25, high=1.0), 6)
    0.8
    """
    if not low < high:
        raise ValueError(f"low must be below high, not {low:g} and {high:g}")
    x = np.sort(finite_vector(keeps))
    at = np.concatenate([[low], x[(x > low) & (x < high)], [high]])
    log = np.log(at / low)
    y = interpolate_accuracy(keeps, accuracies, at)
    return float((np.diff(log) * (y[1:] + y[:-1]) / 2).sum() / log[-1])


def _sorted_curve(keeps: ArrayLike, accuracies: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = finite_vector(keeps), finite_vector(accuracies)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} keeps cannot be paired with {len(y)} accuracies")
    if x.min() <= 0 or x.max() > 1:
        raise ValueError(f"keeps lie in (0, 1], these from {x.min():g} to {x.max():g}")
    order = np.argsort(x)
    x, y = x[order], y[order]
    twice = x[1:][np.diff(x) == 0]
    if len(twice):
        raise ValueError(f"a curve has one accuracy per keep; {twice[0]:g} is there twice")
    return x, y
