"""The interquartile mean over tasks and seeds, with its stratified bootstrap (Agarwal et al., NeurIPS 2021)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.intervals import LEVEL, Interval
from prunebench.reports.statistics.vectors import finite_vector


def interquartile_mean(values: ArrayLike) -> float:
    """Interquartile mean: the mean of what is left without the lowest and the highest quarter, rounded down.

    values: (n,), any unit, finite; fewer than four lose nothing. Raises ValueError for none.

    >>> interquartile_mean([0.0, 2.0, 4.0, 100.0])
    3.0
    """
    return float(_iqm(finite_vector(values)))


def stratified_interval(
    strata: Sequence[ArrayLike], level: float = LEVEL, draws: int = 2_000, seed: int = 0
) -> Interval:
    """IQM of all values pooled (as `mean`), and its percentile bootstrap interval, seeds resampled within each task.

    strata: one vector of seeds' values per task; a task weighs as many values as it has. The same seed gives the same
    interval. The tasks are taken as given: it says what other seeds would give, nothing about other tasks. A stratum of
    one value cannot vary; where all are such, low and high are None. Raises ValueError for no strata or no draws.

    At few seeds it is too narrow, as n values resampled have (n - 1) / n of the variance: in simulations (ten tasks,
    normal noise) 95 % intervals held the true IQM in about 80 % of cases at 2 seeds, 87 % at 3, 91 % at 5, 93 % at 10.

    >>> stratified_interval([[0.5], [0.7]])
    Interval(n=2, mean=0.6, low=None, high=None)
    >>> stratified_interval([[0.5, 0.5], [0.7]]).half
    0.0
    """
    if not strata or draws < 1:
        raise ValueError(f"at least 1 stratum and 1 draw are needed, not {len(strata)} and {draws}")
    tasks = [finite_vector(values) for values in strata]
    pooled = np.concatenate(tasks)
    if len(pooled) == len(tasks):
        return Interval(len(pooled), interquartile_mean(pooled))
    rng = np.random.default_rng(seed)
    resampled = [task[rng.integers(len(task), size=(draws, len(task)))] for task in tasks]
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(_iqm(np.concatenate(resampled, axis=1)), tails).tolist()
    return Interval(len(pooled), interquartile_mean(pooled), low, high)


def _iqm(values: NDArray[np.float64]) -> NDArray[np.float64]:
    n = values.shape[-1]
    middle: NDArray[np.float64] = np.sort(values, axis=-1)[..., n // 4 : n - n // 4].mean(axis=-1)
    return middle
