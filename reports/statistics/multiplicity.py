"""Adjusted p values for a family of tests."""

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values (1979), in the order given. No p values give none.

    p: each in [0, 1]. Of m, the i-th smallest is multiplied by m - i + 1; none falls below the one before, and none
    exceeds 1. Rejecting where the adjusted p is at most alpha errs anywhere in the family with a probability of at most
    alpha, whatever the dependence. Raises ValueError for a p outside [0, 1] or NaN.

    >>> holm([0.5, 0.01, 0.25])
    [0.5, 0.03, 0.5]
    """
    for value in p:
        if not 0 <= value <= 1:  # holds for NaN too
            raise ValueError(f"a p lies between 0 and 1, not {value}")
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    raised = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return [float(value) for value in adjusted]
