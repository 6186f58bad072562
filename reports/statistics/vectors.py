"""Checks of the input of every procedure in this room: a vector of finite numbers."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def finite_vector(values: ArrayLike) -> NDArray[np.float64]:
    """Give the values as float64, (n,). Raises ValueError for no values, another shape, or numbers not finite."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError("a vector of at least one finite number is needed")
    return x


def is_constant(x: NDArray[np.float64]) -> bool:
    """Tell whether all values of x, (n,), are equal up to rounding: a billionth of the largest."""
    return bool(np.ptp(x) <= 1e-9 * np.abs(x).max())
