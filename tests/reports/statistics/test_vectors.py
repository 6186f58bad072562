import numpy as np
import pytest

from prunebench.reports.statistics.vectors import finite_vector, is_constant


def test_a_vector_is_of_float64() -> None:
    assert finite_vector([1, 2]).tolist() == [1.0, 2.0]
    assert finite_vector([1, 2]).dtype == np.float64


def test_constant_ignores_rounding_and_nothing_else() -> None:
    for equal in ([0.0, 0.0], [0.3], [-2.0, -2.0], [0.1 + 0.2, 0.3], [0.1 - 0.105, 0.9 - 0.905]):
        assert is_constant(finite_vector(equal))
    for unequal in ([0.0, 1e-300], [1.0, 1.00001], [-1.0, 1.0], [1e-4, 2e-4]):
        assert not is_constant(finite_vector(unequal))


@pytest.mark.parametrize("wrong", [[], [[1.0]], [float("inf")]])
def test_anything_else_is_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        finite_vector(wrong)
