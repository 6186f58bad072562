"""Noise for simulations: normal, or resampled from the differences of real results."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunebench.errors import UserError
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.analysis.pairing import paired_differences
from prunebench.reports.points import PANEL_COLUMNS, POINT_COLUMNS, Point
from prunebench.reports.results import Results

CONTRASTS = 9  # the seven criteria of the preset against `magnitude`, a combination also against its parts

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]


class Noise(NamedTuple):
    """A source of differences whose true mean is zero.

    draw: gives single differences of any shape. family: gives the differences of all contrasts of a family over n
    seeds, (contrasts, n).
    """

    name: str
    draw: Draw
    family: Callable[[np.random.Generator, int], NDArray[np.float64]]


def normal_differences(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Draw standard normal differences."""
    return rng.standard_normal(shape)


def family_with_one_baseline(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Draw a family of normal contrasts with one baseline: (CONTRASTS, n)."""
    drawn: NDArray[np.float64] = rng.standard_normal((CONTRASTS + 1, n))
    family: NDArray[np.float64] = drawn[1:] - drawn[0]
    return family


NORMAL = Noise("normal", normal_differences, family_with_one_baseline)


def resampled_residuals(residuals: NDArray[np.float64]) -> Draw:
    """Draw from the residuals of real differences, (m,), scaled to mean 0 and variance 1."""
    scaled = (residuals - residuals.mean()) / residuals.std()

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        return rng.choice(scaled, size=shape)

    return draw


def primary_contrasts(results: Results) -> Iterator[tuple[dict[Any, Any], NDArray[np.float64]]]:
    """Give every primary contrast of three seeds or more that is not constant: its row and its differences, (n,)."""
    found, table = results.points, differences_table(results)
    for row in table[table["primary"] & (table["n"] > 2) & (table["sd"] > 0)].to_dict("records"):
        ours = Point(*(row[name] for name in POINT_COLUMNS))
        yield row, paired_differences(found[ours], found[ours._replace(criterion=row["reference"])])


def noise_of_results(name: str, results: Results) -> Noise:
    """Resample real differences: single ones from all contrasts, each scaled by its spread; families seed by seed."""
    members: dict[tuple[Any, ...], list[NDArray[np.float64]]] = {}
    for row, d in primary_contrasts(results):
        key = (*(row[name] for name in (*PANEL_COLUMNS, "keep")), len(d))
        members.setdefault(key, []).append(d - d.mean())
    matrices = [np.stack(family) for family in members.values()]
    if not matrices:
        raise UserError(
            f"{results.source}: no primary contrast has three common seeds whose differences vary; run more seeds"
        )

    def draw_family(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        matrix = matrices[rng.integers(len(matrices))]
        return matrix[:, rng.integers(matrix.shape[1], size=n)]

    residuals = np.concatenate([d / d.std() for matrix in matrices for d in matrix])
    return Noise(name, resampled_residuals(residuals), draw_family)
