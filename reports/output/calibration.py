"""Calibration of the statistics by simulation; `python -m prunebench.reports.output.calibration [RESULTS]` prints it.

Given results folders, the residuals of their paired differences are resampled as well. So the shape of real noise
counts, and the dependence of the contrasts of a family.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.analysis.noise import (
    CONTRASTS,
    NORMAL,
    Draw,
    Noise,
    noise_of_results,
    primary_contrasts,
    resampled_residuals,
)
from prunebench.reports.analysis.verdicts import ALPHA
from prunebench.reports.document import Table
from prunebench.reports.formatting import percent
from prunebench.reports.reading import read_results
from prunebench.reports.results import Results
from prunebench.reports.statistics.intervals import Interval, bca_interval, t_interval
from prunebench.reports.statistics.joint_power import seeds_to_decide
from prunebench.reports.statistics.joint_sign_flips import joint_sign_flips
from prunebench.reports.statistics.permutation import sign_flip

SIZES = (5, 6, 10, 20)
REPETITIONS = 10_000
SIGNS = 2_048  # sign vectors of a simulated test at most
EFFECTS = (0.75, 1.0, 2.0)  # true differences, in standard deviations of the differences


def coverage_rate(
    draw: Draw, n: int, repetitions: int = REPETITIONS, interval: Callable[[ArrayLike], Interval] = t_interval
) -> float:
    """Give how often the 95 % interval of n differences contains the true mean."""
    samples = draw(np.random.default_rng(n), (repetitions, n))
    intervals = [interval(sample) for sample in samples]
    return float(np.mean([i.low is not None and i.high is not None and i.low <= 0 <= i.high for i in intervals]))


def _bca_interval(values: ArrayLike) -> Interval:
    return bca_interval(values, draws=1_000)


def false_rejection_rate(draw: Draw, n: int, repetitions: int = REPETITIONS) -> float:
    """Give how often the sign-flip test rejects at 0.05 although the true mean is zero."""
    samples = draw(np.random.default_rng(n), (repetitions, n))
    return float(np.mean([sign_flip(sample).p <= ALPHA for sample in samples]))


def family_error_rate(noise: Noise, n: int, repetitions: int = REPETITIONS) -> float:
    """Give how often a family of one budget has a false verdict of the joint test."""
    rng = np.random.default_rng(n)
    drawn = (noise.family(rng, n) for _ in range(repetitions))
    return float(np.mean([min(_joint_p(family)) <= ALPHA for family in drawn]))


def _joint_p(family: NDArray[np.float64]) -> list[float]:
    return joint_sign_flips(family, ["one budget"] * len(family), most=SIGNS)


def power_reached(draw: Draw, difference: float, contrasts: int, repetitions: int = REPETITIONS) -> tuple[int, float]:
    """Give the seeds computed for a power of 0.8, and how often they find the one of `contrasts` that differs.

    difference: in units of the spread of the differences.
    """
    n = seeds_to_decide(difference, 1.0, contrasts)
    assert n is not None
    drawn = draw(np.random.default_rng(n), (repetitions, contrasts + 1, n)) / 2**0.5
    families = drawn[:, 1:] - drawn[:, :1]
    families[:, 0] += difference
    return n, float(np.mean([_joint_p(family)[0] <= ALPHA for family in families]))


def calibration_tables(noises: Sequence[Noise], repetitions: int = REPETITIONS) -> Iterator[Table]:
    """Give the tables of docs/explanation/statistics.md."""
    few = max(1, repetitions // 5)
    rows = []
    for noise in noises:
        for n in SIZES:
            rates = (coverage_rate(noise.draw, n, repetitions), coverage_rate(noise.draw, n, few, _bca_interval))
            errors = (false_rejection_rate(noise.draw, n, repetitions), family_error_rate(noise, n, few))
            rows.append((noise.name, str(n), *(percent(rate, 1) for rate in (*rates, *errors))))
    header = ("differences", "n", "t covers", "BCa covers", "p <= 0.05", "a verdict")
    caption = (
        "Under a true mean difference of zero: how often the 95 % intervals cover it, the sign-flip test of one "
        f"contrast rejects, and a family has a verdict. {repetitions:,} repetitions, "
        f"{few:,} of them for BCa and families."
    )
    yield Table(caption, header, tuple(rows), text_columns=2)
    reached = [
        (noise.name, str(contrasts), f"{size:g}", *power_reached(noise.draw, size, contrasts, few))
        for noise in noises
        for contrasts in (1, CONTRASTS)
        for size in EFFECTS
    ]
    cells = tuple((*where, str(n), percent(rate, 1)) for *where, n, rate in reached)
    names = ("differences", "contrasts", "true difference / sd", "seeds", "a verdict")
    yield Table("Seeds computed for a power of 80 %, and how often so many gave a verdict.", names, cells)


def contrasts_table(results: Results, repetitions: int = REPETITIONS) -> Table:
    """Tabulate every contrast of 10 seeds or more: its ties, and how often t covers its resampled seeds."""
    rows = []
    for row, d in primary_contrasts(results):
        if len(d) >= 10:
            covers = [percent(coverage_rate(resampled_residuals(d), n, repetitions), 1) for n in SIZES]
            where = (f"{row['criterion']} to {row['reference']}, keep {row['keep']:g}", f"{row['ties']} of {row['n']}")
            rows.append((*where, *covers))
    header = ("contrast", "tie", *(f"n = {n}" for n in SIZES))
    return Table("How often t covers where one contrast is resampled.", header, tuple(rows))


def main() -> None:
    """Print the tables for normal noise and for the noise of the named results."""
    sources = {Path(source).name: read_results(Path(source)) for source in sys.argv[1:]}
    noises = [NORMAL, *(noise_of_results(name, results) for name, results in sources.items())]
    for table in (*calibration_tables(noises), *(contrasts_table(results) for results in sources.values())):
        if table.rows:
            print(f"{table.caption}\n\n{table.markdown()}\n")


if __name__ == "__main__":
    main()
