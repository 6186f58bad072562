"""What the statistics are worth, by simulation; `python -m prunebench.reports.output.calibration [RESULTS]` prints it.

With results folders the residuals of their paired differences are resampled as well, so that the shape of real noise
counts, and how the contrasts of a family go together.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.errors import UserError
from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.analysis.pairing import paired_differences
from prunebench.reports.document import Table
from prunebench.reports.points import Point, group_by_point
from prunebench.reports.reading import read_results
from prunebench.reports.results import Results
from prunebench.reports.statistics.intervals import Interval, bca_interval, t_interval
from prunebench.reports.statistics.multiplicity import holm
from prunebench.reports.statistics.permutation import sign_flip
from prunebench.reports.statistics.sign_flip_power import seeds_to_decide

SIZES = (5, 6, 10, 20)
REPETITIONS = 10_000
ALPHA = 0.05
EFFECTS = (0.75, 1.0, 2.0)  # true differences, in standard deviations of the differences
CONTRASTS = 9  # the seven criteria of the preset against `magnitude`, a combination also against its parts

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]


class Noise(NamedTuple):
    """Where differences come from whose true mean is zero.

    draw: single ones, of any shape; family: those of all contrasts of a family over n seeds, (contrasts, n).
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


def resampled_residuals(residuals: NDArray[np.float64]) -> Draw:
    """Draw from the residuals of real differences, (m,), scaled to mean 0 and variance 1."""
    scaled = (residuals - residuals.mean()) / residuals.std()

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        return rng.choice(scaled, size=shape)

    return draw


def primary_contrasts(results: Results) -> Iterator[tuple[dict[Any, Any], NDArray[np.float64]]]:
    """Give every primary contrast of three seeds or more that is not constant: its row and its differences, (n,)."""
    found, table = group_by_point(results), differences_table(results)
    for row in table[table["primary"] & (table["n"] > 2) & (table["sd"] > 0)].to_dict("records"):
        ours = Point(*(row[name] for name in Point._fields))
        yield row, paired_differences(found[ours], found[ours._replace(criterion=row["reference"])])


def noise_of_results(name: str, results: Results) -> Noise:
    """Resample real differences: single ones from all, in units of their contrast's spread; families seed by seed."""
    members: dict[tuple[Any, ...], list[NDArray[np.float64]]] = {}
    for row, d in primary_contrasts(results):
        key = (*(row[name] for name in ("task", "ranking", "metric", "keep")), len(d))
        members.setdefault(key, []).append(d - d.mean())
    matrices = [np.stack(family) for family in members.values()]
    if not matrices:
        raise UserError(f"{results.source}: no contrast of three seeds or more has noise to resample")

    def family(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        matrix = matrices[rng.integers(len(matrices))]
        return matrix[:, rng.integers(matrix.shape[1], size=n)]

    return Noise(
        name, resampled_residuals(np.concatenate([d / d.std() for matrix in matrices for d in matrix])), family
    )


def coverage_rate(
    draw: Draw, n: int, repetitions: int = REPETITIONS, interval: Callable[[ArrayLike], Interval] = t_interval
) -> float:
    """How often the 95 % interval of n differences contains the true mean."""
    samples = draw(np.random.default_rng(n), (repetitions, n))
    intervals = [interval(sample) for sample in samples]
    return float(np.mean([i.low is not None and i.high is not None and i.low <= 0 <= i.high for i in intervals]))


def _bca(values: ArrayLike) -> Interval:
    return bca_interval(values, draws=1_000)


def false_rejection_rate(draw: Draw, n: int, repetitions: int = REPETITIONS) -> float:
    """How often the sign-flip test rejects at 0.05 although the mean difference is zero."""
    samples = draw(np.random.default_rng(n), (repetitions, n))
    return float(np.mean([sign_flip(sample).p <= ALPHA for sample in samples]))


def family_error_rate(noise: Noise, n: int, repetitions: int = REPETITIONS) -> float:
    """How often a family has a false verdict after Holm's correction."""
    rng = np.random.default_rng(n)
    drawn = (noise.family(rng, n) for _ in range(repetitions))
    return float(np.mean([min(holm([sign_flip(d).p for d in family])) <= ALPHA for family in drawn]))


def power_reached(draw: Draw, difference: float, contrasts: int, repetitions: int = REPETITIONS) -> tuple[int, float]:
    """Give the seeds computed for a power of 0.8, and how often so many pass Holm's first step among `contrasts`.

    difference: in units of the spread of the differences.
    """
    n = seeds_to_decide(difference, 1.0, alpha=ALPHA / contrasts)
    assert n is not None
    samples = difference + draw(np.random.default_rng(n), (repetitions, n))
    return n, float(np.mean([sign_flip(sample).p <= ALPHA / contrasts for sample in samples]))


def calibration_tables(noises: Sequence[Noise], repetitions: int = REPETITIONS) -> Iterator[Table]:
    """Give the tables of docs/statistics.md."""
    few = max(1, repetitions // 5)
    rows = []
    for noise in noises:
        for n in SIZES:
            rates = (coverage_rate(noise.draw, n, repetitions), coverage_rate(noise.draw, n, few, _bca))
            errors = (false_rejection_rate(noise.draw, n, repetitions), family_error_rate(noise, n, few))
            rows.append((noise.name, str(n), *map(_percent, (*rates, *errors))))
    header = ("differences", "n", "t covers", "BCa covers", "p <= 0.05", "a verdict")
    caption = (
        "Under a true mean difference of zero: how often the 95 % intervals cover it, the sign-flip test of one "
        f"contrast rejects, and a family has a verdict. {repetitions:,} repetitions, "
        f"{few:,} of them for BCa and families."
    )
    yield Table(caption, header, tuple(rows), left=2)
    reached = [
        (noise.name, str(contrasts), f"{size:g}", *power_reached(noise.draw, size, contrasts, few))
        for noise in noises
        for contrasts in (1, CONTRASTS)
        for size in EFFECTS
    ]
    cells = tuple((*where, str(n), _percent(rate)) for *where, n, rate in reached)
    names = ("differences", "contrasts", "true difference / sd", "seeds", "a verdict")
    yield Table("Seeds computed for a power of 80 %, and how often so many gave a verdict.", names, cells)


def contrasts_table(results: Results, repetitions: int = REPETITIONS) -> Table:
    """Every contrast of 10 seeds or more by itself: how many tie, and how often t covers resampled seeds of it."""
    rows = []
    for row, d in primary_contrasts(results):
        if len(d) >= 10:
            covers = [_percent(coverage_rate(resampled_residuals(d), n, repetitions)) for n in SIZES]
            where = (f"{row['criterion']} to {row['reference']}, keep {row['keep']:g}", f"{row['ties']} of {row['n']}")
            rows.append((*where, *covers))
    header = ("contrast", "tie", *(f"n = {n}" for n in SIZES))
    return Table("How often t covers where one contrast is resampled.", header, tuple(rows))


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def main() -> None:
    """Print the tables, for normal noise and for that of the results named."""
    sources = {Path(source).name: read_results(Path(source)) for source in sys.argv[1:]}
    noises = [
        Noise("normal", normal_differences, family_with_one_baseline),
        *(noise_of_results(name, results) for name, results in sources.items()),
    ]
    for table in (*calibration_tables(noises), *(contrasts_table(results) for results in sources.values())):
        if table.rows:
            print(f"{table.caption}\n\n{table.markdown()}\n")


if __name__ == "__main__":
    main()
