"""Places of the labels at the ends of lines, so that labels do not touch."""

from collections.abc import Sequence


def spread_labels(values: Sequence[float], gap: float, limits: tuple[float, float]) -> list[float]:
    """Move values as little as needed, in their order, so that neighbours are `gap` apart.

    The values stay within the limits where there is room. Runs of touching labels are centred on their mean value.

    >>> spread_labels([0.0, 10.0], 1.0, (0.0, 10.0))
    [0.0, 10.0]
    >>> spread_labels([5.0, 5.0, 5.0], 1.0, (0.0, 10.0))
    [4.0, 5.0, 6.0]
    """
    low, high = limits
    ranks = sorted(range(len(values)), key=lambda i: values[i])
    runs: list[list[int]] = []
    for i in ranks:
        runs.append([i])
        while (
            len(runs) > 1 and _run_start(runs[-1], values, gap, limits) < _run_end(runs[-2], values, gap, limits) + gap
        ):
            runs[-2:] = [runs[-2] + runs[-1]]
    places = [low] * len(values)
    for run in runs:
        start = _run_start(run, values, gap, (low, high))
        for offset, i in enumerate(run):
            places[i] = start + offset * gap
    return places


def _run_start(run: Sequence[int], values: Sequence[float], gap: float, limits: tuple[float, float]) -> float:
    span = (len(run) - 1) * gap
    middle = sum(values[i] for i in run) / len(run)
    return max(limits[0], min(middle - span / 2, limits[1] - span))


def _run_end(run: Sequence[int], values: Sequence[float], gap: float, limits: tuple[float, float]) -> float:
    return _run_start(run, values, gap, limits) + (len(run) - 1) * gap
