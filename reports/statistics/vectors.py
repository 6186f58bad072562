"""What every procedure here takes: a vector of finite numbers."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def finite_vector(values: ArrayLike) -> NDArray[np.float64]:
    """Give (n,) float64; raises ValueError for none, for another shape, or for values that are not finite."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError("a vector of at least one finite number is needed")
    return x


def is_constant(x: NDArray[np.float64]) -> bool:
    """Say whether all of (n,) agree, to a billionth of the largest: a spread below it is rounding."""
    return bool(np.ptp(x) <= 1e-9 * np.abs(x).max())
