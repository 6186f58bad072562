from itertools import product

import numpy as np
import pytest
from scipy import stats

from prunebench.reports.statistics.one_sided import one_sided_test
from prunebench.reports.statistics.permutation import PValue


@pytest.mark.parametrize("limit", [-0.01, 0.0, 0.01])
def test_with_spread_it_is_scipys(limit: float) -> None:
    d = np.random.default_rng(3).normal(0.004, 0.01, 7)
    assert one_sided_test(d, limit) == PValue(
        pytest.approx(stats.ttest_1samp(d, limit, alternative="greater").pvalue), 0.0
    )


@pytest.mark.parametrize("n", [2, 5, 6])
@pytest.mark.parametrize(("value", "limit"), [(0.25, 0.0), (-0.25, 0.0), (0.0, 0.0), (0.25, 0.125), (0.25, 0.5)])
def test_without_spread_it_counts_signs(n: int, value: float, limit: float) -> None:
    sums = [sum(signs) * abs(value - limit) for signs in product((1, -1), repeat=n)]
    p = sum(total >= n * (value - limit) for total in sums) / 2**n
    assert one_sided_test([value] * n, limit) == PValue(p, 2.0**-n)


def test_what_lies_on_the_limit_is_not_above_it() -> None:
    assert one_sided_test([0.8 - 0.9] * 8, -0.1).p == one_sided_test([0.9 - 0.8] * 8, 0.1).p == 1.0


def test_one_difference_has_no_test() -> None:
    with pytest.raises(ValueError, match="at least 2 differences, not 1"):
        one_sided_test([0.1], 0.0)
