from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from prunebench.reports.statistics.effect_size import hedges_g
from prunebench.reports.statistics.interquartile_mean import interquartile_mean, stratified_interval
from prunebench.reports.statistics.intervals import bca_interval, t_interval
from prunebench.reports.statistics.noninferiority import margin_tests
from prunebench.reports.statistics.pareto import pareto_front
from prunebench.reports.statistics.ranks import wilcoxon_p
from prunebench.reports.statistics.t_test_power import sd_interval
from prunebench.reports.statistics.vectors import finite_vector, is_constant


def test_a_vector_is_of_float64() -> None:
    assert finite_vector([1, 2]).tolist() == [1.0, 2.0]
    assert finite_vector([1, 2]).dtype == np.float64


def test_constant_ignores_rounding_and_nothing_else() -> None:
    for equal in ([0.0, 0.0], [0.3], [-2.0, -2.0], [0.1 + 0.2, 0.3], [0.1 - 0.105, 0.9 - 0.905]):
        assert is_constant(finite_vector(equal))
    for unequal in ([0.0, 1e-300], [1.0, 1.00001], [-1.0, 1.0], [1e-4, 2e-4]):
        assert not is_constant(finite_vector(unequal))


STATISTICS: dict[str, Callable[[Any], object]] = {
    "finite_vector": finite_vector,
    "t_interval": t_interval,
    "bca_interval": bca_interval,
    "hedges_g": hedges_g,
    "interquartile_mean": interquartile_mean,
    "stratified_interval": lambda values: stratified_interval([[1.0, 2.0], values]),
    "margin_tests": lambda values: margin_tests(values, 0.005),
    "sd_interval": sd_interval,
    "wilcoxon_p": lambda values: wilcoxon_p(values, values),
    "pareto_front, costs": lambda values: pareto_front(values, [1.0] * len(values)),
    "pareto_front, qualities": lambda values: pareto_front([1.0] * len(values), values),
}


@pytest.mark.parametrize("wrong", [[], [[1.0]], [float("inf"), 1.0], [1.0, float("nan")]])
@pytest.mark.parametrize("name", STATISTICS)
def test_what_is_no_vector_of_finite_numbers_is_refused_by_all(name: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match="finite"):
        STATISTICS[name](wrong)
