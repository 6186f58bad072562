import numpy as np
import pytest

from prunebench.reports.statistics.pareto import pareto_front


def test_front_by_hand() -> None:
    # the second is beaten by the first, the last costs more than the third for the same
    assert pareto_front([1.0, 2.0, 3.0, 4.0], [0.8, 0.7, 0.9, 0.9]).tolist() == [True, False, True, False]
    assert pareto_front([1.0, 1.0], [0.8, 0.9]).tolist() == [False, True]
    assert pareto_front([1.0, 1.0, 2.0], [0.8, 0.8, 0.8]).tolist() == [True, True, False]
    assert pareto_front([-1.0], [-5.0]).tolist() == [True]


@pytest.mark.parametrize("seed", range(20))
def test_front_is_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    cost, quality = rng.integers(0, 12, n) / 4, rng.integers(0, 12, n) - 5.0 + rng.choice([0.0, 2.0]) * np.arange(n) / n
    expected = [
        not any(
            cost[j] <= cost[i] and quality[j] >= quality[i] and (cost[j] < cost[i] or quality[j] > quality[i])
            for j in range(n)
        )
        for i in range(n)
    ]
    assert pareto_front(cost, quality).tolist() == expected


def test_points_must_be_paired() -> None:
    with pytest.raises(ValueError, match="2 costs cannot be paired with 1"):
        pareto_front([1.0, 2.0], [1.0])
