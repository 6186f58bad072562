"""A one-sided test of a mean paired difference that differences without spread cannot fool."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from prunebench.reports.statistics.vectors import finite_vector, is_constant

ROUNDING = 1e-9  # of the limit: what is nearer to it lies on it, as differences of fractions round


@dataclass(frozen=True)
class OneSided:
    """A p, and the smallest that differences like these could have given: with spread, t knows no least one."""

    p: float
    smallest: float


def one_sided_test(differences: ArrayLike, limit: float) -> OneSided:
    """One-sided test of 'the mean is at most `limit`': t, or the exact sign-flip test where there is no spread.

    differences: (n,), n >= 2, finite; limit: in the same unit. Constant ones (up to rounding) show no spread, which t
    takes for certainty; of their 2**n assignments of signs around the limit one alone reaches what was seen, so p is
    2**-n on the right side of it, 1 elsewhere. Raises ValueError for fewer than 2, or as `vector`.

    >>> one_sided_test([0.02, 0.02], 0.0), round(one_sided_test([0.01, 0.02, 0.03], 0.0).p, 4)
    (OneSided(p=0.25, smallest=0.25), 0.0371)
    """
    d = finite_vector(differences)
    n = len(d)
    if n < 2:
        raise ValueError(f"a test of a mean needs at least 2 differences, not {n}")
    if is_constant(d):
        beyond = d[0] - limit > ROUNDING * abs(limit)
        return OneSided(2.0**-n if beyond else 1.0, 2.0**-n)
    return OneSided(float(special.stdtr(n - 1, (limit - d.mean()) / (np.std(d, ddof=1) / n**0.5))), 0.0)
