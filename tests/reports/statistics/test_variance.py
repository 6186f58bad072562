from itertools import chain, combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from prunebench.reports.statistics.variance import decompose_variance


def dummies(shape: tuple[int, ...], axes: tuple[int, ...]) -> NDArray[np.float64]:
    """Indicator columns of every combination of the levels of some axes, one row a cell."""
    cells = np.indices(shape).reshape(len(shape), -1)
    names = (
        np.ravel_multi_index(tuple(cells[list(axes)]), [shape[a] for a in axes]) if axes else np.zeros(cells.shape[1])
    )
    return (names[:, None] == np.unique(names)).astype(float)


def squares_by_regression(y: NDArray[np.float64], axes: tuple[int, ...]) -> float:
    """What the indicators of an effect explain beyond those of all smaller effects, by least squares."""

    def explained(sets: list[tuple[int, ...]]) -> float:
        x = np.hstack([dummies(y.shape, one) for one in sets])
        fitted = x @ np.linalg.lstsq(x, y.ravel(), rcond=None)[0]
        return float(((fitted - y.mean()) ** 2).sum())

    smaller = list(chain.from_iterable(combinations(axes, size) for size in range(len(axes))))
    return explained([*smaller, axes]) - explained(smaller)


def test_every_sum_of_squares_is_that_of_nested_regressions() -> None:
    y = np.random.default_rng(0).normal(size=(3, 2, 2, 4))
    found = decompose_variance(y)
    assert found is not None
    assert [one.axes for one in found.sources] == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2), ()]
    for one in found.sources[:-1]:
        assert one.squares == pytest.approx(squares_by_regression(y, one.axes))
        degrees = np.prod([y.shape[axis] - 1 for axis in one.axes])
        error = squares_by_regression(y, (*one.axes, 3)) / (degrees * 3)
        assert one.noise == pytest.approx(degrees * error)
    assert found.sources[-1].squares == pytest.approx(squares_by_regression(y, (3,)))
    assert sum(one.squares for one in found.sources) + found.residual == pytest.approx(found.total)
    assert found.total == pytest.approx(y.size * y.var())


def test_a_choice_that_does_nothing_has_no_share_beyond_noise_on_average() -> None:
    rng = np.random.default_rng(1)
    rest = []
    for _ in range(2000):
        found = decompose_variance(rng.normal(size=(4, 2, 6)) + rng.normal(size=6))
        assert found is not None
        rest.append([one.squares - one.noise for one in found.sources[:3]])
    standard_error = np.std(rest, axis=0) / len(rest) ** 0.5
    assert np.all(np.abs(np.mean(rest, axis=0)) < 4 * standard_error)


@pytest.mark.parametrize("values", [[1.0, 2.0], [[1.0], [2.0]], [[1.0, np.nan], [2.0, 3.0]]])
def test_what_is_no_design_is_refused(values: list[object]) -> None:
    with pytest.raises(ValueError, match="finite number a cell"):
        decompose_variance(values)  # type: ignore[arg-type]


def test_equal_values_have_nothing_to_decompose() -> None:
    assert decompose_variance(np.full((2, 3), 0.1)) is None
