"""Checks of the input of every procedure in this room: a vector of finite numbers."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

DECIMALS = 12  # of the largest score


def finite_vector(values: ArrayLike) -> NDArray[np.float64]:
    """Give the values as float64, (n,). Raises ValueError for no values, another shape, or numbers not finite."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError("a vector of at least one finite number is needed")
    return x


def is_constant(x: NDArray[np.float64]) -> bool:
    """Tell whether all values of x, (n,), are equal up to rounding: a billionth of the largest."""
    return bool(np.ptp(x) <= 1e-9 * np.abs(x).max())


def rounded(x: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round x to 1e-12 of the largest score. Means of the same numbers may differ by rounding, and must tie.

    >>> rounded(np.array([0.1 + 0.2 - 0.3]), scores=np.array([0.3]))
    array([0.])
    """
    largest = float(np.abs(scores).max())
    return np.round(x / largest, DECIMALS) * largest if largest else x
