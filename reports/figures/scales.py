"""Axes of accuracies: logarithmic in the error, with ticks that are round accuracies."""

from collections.abc import Sequence

import numpy as np

from prunebench.reports.figures.drawing import Spec

SMALLEST_ERROR = 5e-4  # where a perfect accuracy is drawn on an axis that is logarithmic in the error
ERRORS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
NARROW = 4.0  # ratio of the ends of an axis below which its ticks are even steps
PERCENT = "format(100 * (1 - datum.value), '.4~f') + ' %'"
KEPT = "format(100 * datum.value, '.2~r') + ' %'"


def error_scale(limits: tuple[float, float]) -> Spec:
    """Give the axis of errors, the best accuracy on top."""
    return {"type": "log", "domain": list(limits), "nice": False, "reverse": True}


def error_ticks(limits: tuple[float, float], dense: float) -> list[float]:
    """Choose round errors inside the limits, one of them close to the error of the dense network.

    >>> error_ticks((0.01, 0.5), 0.024)
    [0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5]
    >>> error_ticks((0.175, 0.24), 0.19)
    [0.18, 0.19, 0.2, 0.21, 0.22, 0.23, 0.24]
    """
    low, high = limits
    if high / low < NARROW:
        power = 10.0 ** np.floor(np.log10((high - low) / 4))
        step = next(m * power for m in (1, 2, 5, 10) if (high - low) / (m * power) < 8)
        every = range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)
        return [float(f"{number * step:.6g}") for number in every]
    return _spread([value for value in ERRORS if low <= value <= high], (high / low) ** (1 / 11), dense)


def round_ticks(limits: tuple[float, float]) -> list[float]:
    """Choose round numbers inside the limits of a logarithmic axis, or even steps where these are few.

    >>> round_ticks((0.8, 30.0))
    [1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0]
    """
    powers = range(int(np.floor(np.log10(limits[0]))), int(np.ceil(np.log10(limits[1]))) + 1)
    every = [float(f"{m * 10.0**p:g}") for p in powers for m in (1, 1.5, 2, 3, 5, 7)]
    inside = [value for value in every if limits[0] <= value <= limits[1]]
    return inside if len(inside) > 2 else [float(f"{v:.2g}") for v in np.geomspace(*limits, 5)[1:-1]]


def thinned(values: Sequence[float], ratio: float) -> list[float]:
    """Leave out values of a logarithmic axis whose labels would touch; the smallest stays."""
    kept: list[float] = []
    for value in sorted(values):
        if not kept or value / kept[-1] >= ratio:
            kept.append(value)
    return kept


def _spread(values: Sequence[float], gap: float, dense: float) -> list[float]:
    """Take the value nearest to `dense`, then every other that keeps the gap to those taken."""
    chosen: list[float] = []
    for value in sorted(values, key=lambda one: abs(np.log(one / dense)))[:1] + list(values):
        if all(max(value / other, other / value) >= gap for other in chosen):
            chosen.append(value)
    return sorted(chosen)
