"""The Pareto front of cost and quality."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.vectors import finite_vector


def pareto_front(cost: ArrayLike, quality: ArrayLike) -> NDArray[np.bool_]:
    """Tell for each point, (n,), whether it is on the front.

    A point is on the front if no other is at least as cheap and at least as good, and better in one of the two.
    cost: (n,), low = better; quality: (n,), high = better; any units, finite. Equal points are all on the front, or
    none is. O(n log n). Raises ValueError for NaN, for no point, or where the lengths differ.

    >>> pareto_front(cost=[1.0, 2.0, 3.0], quality=[0.8, 0.7, 0.9])
    array([ True, False,  True])
    """
    x, y = finite_vector(cost), finite_vector(quality)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} costs cannot be paired with {len(y)} qualities")
    order = np.lexsort((-y, x))  # by cost, the best of equal costs first
    starts = np.diff(x[order], prepend=-np.inf) > 0
    best = y[order][starts]  # of each distinct cost
    cheaper = np.concatenate([[-np.inf], np.maximum.accumulate(best)[:-1]])
    which = np.cumsum(starts) - 1
    stays = np.empty(len(x), dtype=np.bool_)
    stays[order] = (y[order] == best[which]) & (best > cheaper)[which]
    return stays
