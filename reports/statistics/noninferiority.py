"""Non-inferiority and equivalence within a margin that was chosen beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from prunebench.reports.statistics.intervals import LEVEL, t_interval
from prunebench.reports.statistics.one_sided import ROUNDING, one_sided_test
from prunebench.reports.statistics.vectors import finite_vector

INSIDE = 1 - ROUNDING  # of the margin


@dataclass(frozen=True)
class Margin:
    """A mean paired difference beside a margin. A single difference has no interval, p or answer (None).

    noninferior: the interval lies above -margin. equivalent: the whole interval lies between -margin and margin.
    """

    n: int
    margin: float
    mean: float
    low: float | None = None
    high: float | None = None
    p_noninferior: float | None = None
    p_equivalent: float | None = None
    noninferior: bool | None = None
    equivalent: bool | None = None


def margin_tests(differences: ArrayLike, margin: float) -> Margin:
    """Paired t tests of 'not worse by the margin' and of 'no further away than the margin'.

    differences: (n,), ours - reference, high = better, finite. margin: in the same unit, finite, > 0.
    Non-inferior: the 95 % interval lies above -margin, a one-sided test at 0.025. p_noninferior is the p of
    'mean <= -margin'. Equivalent: the interval lies within +-margin, two one-sided tests (Schuirmann 1987) at 0.025
    each. This is stricter than the usual 90 % interval (two tests at 0.05). p_equivalent is the larger of the two p.
    A mean on the margin is outside. The t test cannot judge constant differences (up to rounding); 6 of them are the
    fewest that answer 'yes', see `one_sided.one_sided_test`. Raises ValueError for another margin, or as
    `finite_vector`.

    >>> result = margin_tests([-0.001, 0.001, 0.0, 0.002], margin=0.005)
    >>> result.noninferior, result.equivalent, round(result.p_noninferior, 4)
    (True, True, 0.0017)
    """
    if not 0 < margin < np.inf:
        raise ValueError(f"a margin is a finite number above 0, not {margin}")
    d = finite_vector(differences)
    interval, n = t_interval(d), len(d)
    if interval.low is None or interval.high is None:
        return Margin(n, margin, interval.mean)
    lower, upper = one_sided_test(d, -margin), one_sided_test(-d, -margin)
    judged = lower.smallest <= (1 - LEVEL) / 2
    noninferior = judged and interval.low > -margin * INSIDE
    equivalent = noninferior and interval.high < margin * INSIDE
    ends = interval.low, interval.high
    return Margin(n, margin, interval.mean, *ends, lower.p, max(lower.p, upper.p), noninferior, equivalent)


def largest_share(seen: int, n: int) -> float:
    """Largest share of runs with an event that `seen` of n runs do not exclude (one-sided, 95 % confidence).

    The upper end of Clopper and Pearson (1934). For no event seen it is 1 - 0.05**(1 / n). Raises ValueError unless
    0 <= seen <= n and n >= 1.

    >>> round(largest_share(0, 10), 2), round(largest_share(1, 10), 2), largest_share(3, 3)
    (0.26, 0.39, 1.0)
    """
    if not 0 <= seen <= n or n < 1:
        raise ValueError(f"of at least 1 run from 0 to all have the event, not {seen} of {n}")
    return float(special.betaincinv(seen + 1, n - seen, LEVEL)) if seen < n else 1.0


def smallest_keep_held(keeps: Sequence[float], held: Sequence[bool | None]) -> float | None:
    """Fixed-sequence procedure: the smallest keep that is reached from the largest down to the first that fails.

    keeps: each once, in any order. held: the answer of the test of each keep; None, where the test could not be made,
    fails too. Gives None where the largest keep fails. The order does not depend on the outcomes. So each test uses the
    full alpha, and the whole statement errs with a probability of at most alpha (Maurer et al. 1995; Westfall and
    Krishen 2001). Raises ValueError where the lengths differ, or for a keep that is there twice or NaN.

    >>> smallest_keep_held([0.5, 0.25, 0.1, 0.05], [True, True, False, True])
    0.25
    """
    if len(keeps) != len(held):
        raise ValueError(f"{len(keeps)} keeps cannot be paired with {len(held)} outcomes")
    if len(set(keeps)) != len(keeps) or any(keep != keep for keep in keeps):
        raise ValueError(f"each keep is tested once and is a number, not {list(keeps)}")
    reached = None
    for keep, passed in sorted(zip(keeps, held, strict=True), key=lambda pair: -pair[0]):
        if not passed:
            break
        reached = keep
    return reached
