import math

import numpy as np
import pytest
from scipy.integrate import quad

from prunebench.reports.statistics.curves import area_under_curve, interpolate_accuracy, shared_range

KEEPS = [1.0, 0.1, 0.01]
ACCURACIES = [0.9, 0.8, 0.4]


def test_interpolate_by_hand() -> None:
    # half way from 1 to 0.1 on the logarithm is sqrt(0.1), a quarter of the way 10**-0.25
    at = [10**-0.5, 10**-0.25, 10**-1.5, 0.1]
    assert interpolate_accuracy(KEEPS, ACCURACIES, at) == pytest.approx([0.85, 0.875, 0.6, 0.8])
    assert interpolate_accuracy([0.5], [0.7], [0.5]).tolist() == [0.7]


def test_measured_points_come_back_exactly_in_any_order() -> None:
    rng = np.random.default_rng(0)
    keeps, accuracies = rng.uniform(0.01, 1, 20), rng.uniform(size=20)
    assert interpolate_accuracy(keeps, accuracies, keeps).tolist() == accuracies.tolist()
    at = np.sort(keeps)[:-1] + 1e-3
    order = rng.permutation(20)
    assert (
        interpolate_accuracy(keeps[order], accuracies[order], at).tolist()
        == interpolate_accuracy(keeps, accuracies, at).tolist()
    )


def test_a_curve_is_not_extrapolated() -> None:
    for outside in (0.0099, 0.0, -1.0):
        with pytest.raises(ValueError, match=rf"from keep 0\.01 to 1, not at {outside:g}"):
            interpolate_accuracy(KEEPS, ACCURACIES, [0.5, outside])
    with pytest.raises(ValueError, match=r"to 0\.5, not at 0\.6"):
        interpolate_accuracy([0.5, 0.1], [0.9, 0.8], [0.6])
    with pytest.raises(ValueError, match=r"from keep 0\.01"):
        area_under_curve(KEEPS, ACCURACIES, 0.005, 0.5)


def test_what_is_no_curve() -> None:
    for keeps, accuracies, message in (
        ([1.0, 0.5, 0.5], [0.9, 0.8, 0.8], r"0\.5 is there twice"),
        ([1.0, 0.0], [0.9, 0.8], r"\(0, 1\], these from 0 to 1"),
        ([2.0, 0.5], [0.9, 0.8], r"\(0, 1\], these from 0.5 to 2"),
        ([1.0, 0.5], [0.9], "2 keeps cannot be paired with 1"),
        ([1.0, float("nan")], [0.9, 0.8], "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            interpolate_accuracy(keeps, accuracies, [1.0])
        with pytest.raises(ValueError, match=message):
            area_under_curve(keeps, accuracies, 0.6, 0.9)


def test_shared_range_by_hand() -> None:
    assert shared_range([[0.1, 1.0, 0.5], [0.9, 0.2], [0.05, 0.95]]) == (0.2, 0.9)
    assert shared_range([[0.5, 0.1]]) == (0.1, 0.5)
    assert shared_range([[1.0, 0.5], [0.5, 0.1]]) is None
    assert shared_range([[1.0, 0.6], [0.5, 0.1]]) is None
    assert shared_range([[1.0, 0.1], [0.5]]) is None
    with pytest.raises(ValueError, match="at least 1 curve"):
        shared_range([])


def test_area_by_hand() -> None:
    assert area_under_curve(KEEPS, ACCURACIES, 0.01, 1.0) == pytest.approx((0.85 + 0.6) / 2)
    assert area_under_curve(KEEPS, ACCURACIES, 0.1, 1.0) == pytest.approx(0.85)
    # from 10**-1.5 to 10**-0.5: halves of both pieces, means of 0.6 and 0.8, and of 0.8 and 0.85
    assert area_under_curve(KEEPS, ACCURACIES, 10**-1.5, 10**-0.5) == pytest.approx((0.7 + 0.825) / 2)
    assert area_under_curve([1.0, 0.3], [0.6, 0.6], 0.4, 0.9) == pytest.approx(0.6)
    for low, high in ((0.5, 0.5), (0.9, 0.1)):
        with pytest.raises(ValueError, match="low must be below high"):
            area_under_curve(KEEPS, ACCURACIES, low, high)


@pytest.mark.parametrize("seed", range(5))
def test_area_is_the_integral(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keeps, accuracies = rng.uniform(0.02, 1, 6), rng.uniform(size=6)
    shared = shared_range([keeps.tolist(), rng.uniform(0.05, 0.9, 40).tolist()])
    assert shared is not None
    low, high = shared
    integral, _ = quad(
        lambda u: float(interpolate_accuracy(keeps, accuracies, [min(max(math.exp(u), low), high)])[0]),
        *(math.log(low), math.log(high)),
        points=[math.log(keep) for keep in keeps if low < keep < high] or None,
    )
    assert area_under_curve(keeps, accuracies, low, high) == pytest.approx(integral / math.log(high / low))
