import numpy as np
import pytest

from prunebench.reports.statistics.vectors import constant, vector


def test_a_vector_is_of_float64() -> None:
    assert vector([1, 2]).tolist() == [1.0, 2.0]
    assert vector([1, 2]).dtype == np.float64


def test_constant_ignores_rounding_and_nothing_else() -> None:
    for equal in ([0.0, 0.0], [0.3], [-2.0, -2.0], [0.1 + 0.2, 0.3], [0.1 - 0.105, 0.9 - 0.905]):
        assert constant(vector(equal))
    for unequal in ([0.0, 1e-300], [1.0, 1.00001], [-1.0, 1.0], [1e-4, 2e-4]):
        assert not constant(vector(unequal))


@pytest.mark.parametrize("wrong", [[], [[1.0]], [float("inf")]])
def test_anything_else_is_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        vector(wrong)
