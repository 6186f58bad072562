"""A one-sided test of a mean paired difference that is valid for differences without spread."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from prunebench.reports.statistics.permutation import PValue
from prunebench.reports.statistics.vectors import finite_vector, is_constant

ROUNDING = 1e-9  # of the limit: a nearer mean lies on the limit, as differences of fractions round


def one_sided_test(differences: ArrayLike, limit: float) -> PValue:
    """One-sided test of 'the mean is at most `limit`': t, or the exact sign-flip test where there is no spread.

    differences: (n,), n >= 2, finite; limit: in the same unit. With spread, t has no smallest p: `smallest` is 0.
    The t test takes constant differences (up to rounding) for certainty. For these, one of the 2**n assignments of
    signs around the limit reaches the observed mean: p is 2**-n above the limit and 1 elsewhere. Raises ValueError for
    fewer than 2 differences, or as `finite_vector`.

    >>> one_sided_test([0.02, 0.02], 0.0), round(one_sided_test([0.01, 0.02, 0.03], 0.0).p, 4)
    (PValue(p=0.25, smallest=0.25), 0.0371)
    """
    d = finite_vector(differences)
    n = len(d)
    if n < 2:
        raise ValueError(f"a test of a mean needs at least 2 differences, not {n}")
    if is_constant(d):
        beyond = d[0] - limit > ROUNDING * abs(limit)
        return PValue(2.0**-n if beyond else 1.0, 2.0**-n)
    return PValue(float(special.stdtr(n - 1, (limit - d.mean()) / (np.std(d, ddof=1) / n**0.5))), 0.0)
