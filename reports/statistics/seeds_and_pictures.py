"""Intervals over two sources of chance at once: other seeds, and other test pictures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from prunebench.reports.statistics.intervals import LEVEL


@dataclass(frozen=True)
class Crossed:
    """A mean over seeds and pictures. `low` and `high` are None for a single picture.

    pictures_share: the part of the mean's variance that the choice of test pictures makes. One seed has the share 1,
    as nothing is known about other seeds.
    """

    mean: float
    low: float | None = None
    high: float | None = None
    pictures_share: float | None = None


def crossed_interval(values: NDArray[Any], level: float = LEVEL) -> Crossed:
    """Interval of the mean over seeds and test pictures, both taken as drawn at random.

    values: (seeds, pictures), finite, every seed on the same pictures. For a comparison of two methods they are the
    differences of 'classified right': -1, 0 or 1. level: of the two-sided interval.

    The variance is that of the crossed (pigeonhole) bootstrap, which resamples seeds and pictures independently (Owen
    2007), made unbiased. For a mean the variance has a closed form, so nothing is drawn: the two-way random-effects
    analysis of variance (Cornfield and Tukey 1956). Degrees of freedom are Satterthwaite's (1946). The interval is
    never narrower than the seeds' own t interval. Raises ValueError for another shape or for values that are not
    finite.

    >>> crossed_interval(np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]])).mean
    0.625
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or x.size == 0 or not np.isfinite(x).all():
        raise ValueError("a matrix (seeds, pictures) of finite numbers is needed")
    seeds, pictures = x.shape
    mean = float(x.mean())
    if pictures == 1:
        return Crossed(mean)
    by_picture = x.mean(axis=0) - mean
    of_pictures = float(by_picture @ by_picture) / (pictures - 1) / pictures
    if seeds == 1:
        half, share = _half_width(of_pictures, pictures - 1.0, level), 1.0
    else:
        half, share = _two_way(x - mean, by_picture, of_pictures, level)
    return Crossed(mean, mean - half, mean + half, share)


def _two_way(
    centred: NDArray[np.float64], by_picture: NDArray[np.float64], of_pictures: float, level: float
) -> tuple[float, float]:
    """Give half the interval's width, and the pictures' share of the mean's variance."""
    seeds, pictures = centred.shape
    by_seed = centred.mean(axis=1)
    of_seeds = float(by_seed @ by_seed) / (seeds - 1) / seeds
    rest = float((centred * centred).sum() - pictures * (by_seed @ by_seed) - seeds * (by_picture @ by_picture))
    of_both = max(rest, 0.0) / ((seeds - 1) * (pictures - 1)) / (seeds * pictures)
    variance = max(of_seeds + of_pictures - of_both, of_seeds, of_pictures)  # the difference can fall below either
    if variance == 0:
        return 0.0, 0.0
    squares = of_seeds**2 / (seeds - 1) + of_pictures**2 / (pictures - 1) + of_both**2 / ((seeds - 1) * (pictures - 1))
    half = max(_half_width(variance, variance**2 / squares, level), _half_width(of_seeds, seeds - 1.0, level))
    return half, max(of_pictures - of_both, 0.0) / variance


def _half_width(variance: float, freedom: float, level: float) -> float:
    return float(special.stdtrit(freedom, (1 + level) / 2) * variance**0.5)
