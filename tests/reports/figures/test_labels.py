import numpy as np
import pytest

from prunebench.reports.figures.labels import spread_labels


@pytest.mark.parametrize("seed", range(20))
def test_labels_keep_their_order_their_gap_and_the_limits(seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0, 10, 12).tolist()
    places = spread_labels(values, 0.7, (0.0, 10.0))
    assert np.argsort(values).tolist() == np.argsort(places).tolist()
    assert np.diff(sorted(places)).min() >= 0.7 - 1e-9
    assert min(places) >= 0 and max(places) <= 10


def test_labels_far_apart_stay() -> None:
    assert spread_labels([9.0, 1.0, 5.0], 1.0, (0.0, 10.0)) == [9.0, 1.0, 5.0]
