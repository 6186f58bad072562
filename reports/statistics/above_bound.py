"""A mean accuracy against a bound that was given beforehand, in one one-sided test."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from prunebench.reports.statistics.noninferiority import largest_share
from prunebench.reports.statistics.one_sided import ROUNDING, one_sided_test
from prunebench.reports.statistics.seeds_and_pictures import crossed_interval
from prunebench.reports.statistics.vectors import finite_vector, is_constant

ERROR = 0.05  # of the one-sided test


@dataclass(frozen=True)
class AboveBound:
    """A mean beside a bound. low: one-sided 95 % lower limit of the mean.

    confirmed: p is at most 0.05; with spread this says that low lies above the bound. below: runs under the bound.
    may_be_below: the largest share of runs of which this is not excluded. other_pictures: whether the limit over seeds
    and pictures lies above the bound, too; None where pictures are not known.
    """

    n: int
    bound: float
    mean: float
    low: float | None
    p: float | None
    confirmed: bool
    below: int
    may_be_below: float
    other_pictures: bool | None = None


def above_bound(values: ArrayLike, bound: float, right: NDArray[Any] | None = None) -> AboveBound:
    """Test 'the mean is at most the bound', one-sided at 0.05.

    values: (n,), one for each run, finite. right: (n, pictures), whether each picture was classified right. Two runs
    or more: a t test over the runs; equal values (up to rounding) are judged by the exact sign-flip test, see
    `one_sided.one_sided_test`. A single run is judged by its pictures alone. A mean on the bound is not above it.
    Raises ValueError for a bound that is not finite, or as `finite_vector`.

    >>> found = above_bound([0.93, 0.94, 0.92, 0.95], 0.915)
    >>> found.confirmed, round(found.low, 4)
    (True, 0.9198)
    """
    if not np.isfinite(bound):
        raise ValueError(f"a bound is a finite number, not {bound}")
    x = finite_vector(values)
    n, mean = len(x), float(x.mean())
    crossed = None if right is None else crossed_interval(right, 1 - 2 * ERROR).low
    other = None if crossed is None else crossed > bound
    below = int(np.count_nonzero(x < bound * (1 - ROUNDING)))
    rest = (below, largest_share(below, n), other)
    if n == 1:
        return AboveBound(n, bound, mean, crossed, None, bool(other), *rest)
    p = one_sided_test(x, bound).p
    low = mean
    if not is_constant(x):
        low -= float(special.stdtrit(n - 1, 1 - ERROR)) * float(x.std(ddof=1)) / n**0.5
    return AboveBound(n, bound, mean, low, p, p <= ERROR, *rest)
