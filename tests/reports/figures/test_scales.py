import numpy as np
import pytest

from prunebench.reports.figures.scales import error_ticks, round_ticks, thinned


@pytest.mark.parametrize("limits", [(0.0005, 0.9), (0.01, 0.3), (0.1, 0.12), (0.0241, 0.0245), (0.3, 0.9), (0.5, 1.0)])
def test_ticks_are_round_accuracies_apart_and_one_is_near_the_dense_network(limits: tuple[float, float]) -> None:
    dense = float(np.sqrt(limits[0] * limits[1]))
    ticks = error_ticks(limits, dense)
    assert 3 <= len(ticks) <= 11
    assert all(limits[0] * 0.999 <= tick <= limits[1] * 1.001 for tick in ticks)
    apart = (limits[1] / limits[0]) ** 0.3
    assert min(max(tick / dense, dense / tick) for tick in ticks) < apart


def test_ticks_of_a_logarithmic_axis_are_round_and_at_least_three() -> None:
    assert round_ticks((0.5, 4.0)) == [0.5, 0.7, 1.0, 1.5, 2.0, 3.0]
    assert len(round_ticks((1.1, 1.3))) == 3
    assert thinned([4.0, 1.0, 1.1, 2.0], 1.5) == [1.0, 2.0, 4.0]
