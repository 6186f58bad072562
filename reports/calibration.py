"""What the statistics are worth, by simulation: `python -m prunebench.reports.calibration [RESULTS]` prints the tables.

With results folders the residuals of their paired differences are resampled as well, so that the shape of real noise
counts.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from prunebench.reports.analysis.differences import differences_table
from prunebench.reports.analysis.pairing import differences
from prunebench.reports.analysis.points import points
from prunebench.reports.document import Table
from prunebench.reports.reading import read_results
from prunebench.reports.results import Results
from prunebench.reports.statistics.intervals import Interval, bca_interval, t_interval
from prunebench.reports.statistics.multiplicity import holm
from prunebench.reports.statistics.permutation import sign_flip
from prunebench.reports.statistics.power import seeds_needed

SIZES = (5, 6, 10, 20)
REPETITIONS = 10_000
ALPHA = 0.05
EFFECTS = (0.5, 1.0, 2.0)  # true differences, in standard deviations of the differences
CONTRASTS = 9  # the seven criteria of the preset against `magnitude`, a combination also against its parts

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Draw standard normal differences."""
    return rng.standard_normal(shape)


def resampled(residuals: NDArray[np.float64]) -> Draw:
    """Draw from the residuals of real differences, (m,), scaled to mean 0 and variance 1."""
    scaled = (residuals - residuals.mean()) / residuals.std()

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
        return rng.choice(scaled, size=shape)

    return draw


def residuals(results: Results) -> NDArray[np.float64]:
    """Give the residuals of all primary contrasts, in units of the spread of their task, metric and keep."""
    found, pooled = points(results), []
    table = differences_table(results)
    for _, part in table[table["primary"] & (table["n"] > 2)].groupby(["task", "metric", "keep"]):
        here = []
        for row in part.to_dict("records"):
            ours = next(p for p in found if all(getattr(p, name) == row[name] for name in p._fields))
            d = differences(found[ours], found[ours._replace(criterion=row["reference"])])
            here.append((d - d.mean()) * (len(d) / (len(d) - 1)) ** 0.5)
        joined = np.concatenate(here)
        pooled.append(joined / np.sqrt(np.mean(joined**2)))
    return np.concatenate(pooled)


def coverage(
    draw: Draw, n: int, repetitions: int = REPETITIONS, interval: Callable[[ArrayLike], Interval] = t_interval
) -> float:
    """How often the 95 % interval of n differences contains the true mean."""
    samples = draw(np.random.default_rng(n), (repetitions, n))
    intervals = [interval(sample) for sample in samples]
    return float(np.mean([i.low is not None and i.high is not None and i.low <= 0 <= i.high for i in intervals]))


def _bca(values: ArrayLike) -> Interval:
    return bca_interval(values, draws=1_000)


def rejections(draw: Draw, n: int, repetitions: int = REPETITIONS) -> float:
    """How often the sign-flip test rejects at 0.05 although the mean difference is zero."""
    samples = draw(np.random.default_rng(n), (repetitions, n))
    return float(np.mean([sign_flip(sample).p <= ALPHA for sample in samples]))


def family_errors(draw: Draw, n: int, repetitions: int = REPETITIONS) -> float:
    """How often a family of contrasts with one baseline has a false verdict after Holm's correction."""
    samples = draw(np.random.default_rng(n), (repetitions, CONTRASTS + 1, n))
    false = [min(holm([sign_flip(d).p for d in sample[1:] - sample[0]])) <= ALPHA for sample in samples]
    return float(np.mean(false))


def power_reached(draw: Draw, difference: float, repetitions: int = REPETITIONS) -> tuple[int, float]:
    """Give the seeds computed for a power of 0.8, and how often the t interval of so many excludes zero.

    difference: in units of the spread of the differences.
    """
    n = seeds_needed(difference, 1.0)
    assert n is not None
    samples = difference + draw(np.random.default_rng(n), (repetitions, n))
    intervals = [t_interval(sample) for sample in samples]
    return n, float(np.mean([i.low is not None and i.high is not None and not i.low <= 0 <= i.high for i in intervals]))


def tables(draws: dict[str, Draw], repetitions: int = REPETITIONS) -> Iterator[Table]:
    """Give the tables of docs/statistics.md."""
    few = max(1, repetitions // 5)
    rows = []
    for name, draw in draws.items():
        for n in SIZES:
            rates = (coverage(draw, n, repetitions), coverage(draw, n, few, _bca), rejections(draw, n, repetitions))
            least = min(1.0, CONTRASTS * 2.0 ** (1 - n))
            rows.append((name, str(n), *map(_percent, (*rates, family_errors(draw, n, few))), f"{least:.2g}"))
    header = ("differences", "n", "t covers", "BCa covers", "p <= 0.05", f"verdict among {CONTRASTS}", "least p")
    caption = (
        "Under a true mean difference of zero: how often the 95 % intervals cover it, the sign-flip test rejects, and "
        f"a family of {CONTRASTS} contrasts has a verdict; least p: the smallest that the family allows. "
        f"{repetitions:,} repetitions, a fifth of them for BCa and the family."
    )
    yield Table(caption, header, tuple(rows), left=2)
    reached = [
        (name, size, *power_reached(draw, size, repetitions)) for name, draw in draws.items() for size in EFFECTS
    ]
    cells = tuple((name, f"{size:g}", str(n), _percent(rate)) for name, size, n, rate in reached)
    names = ("differences", "true difference / sd", "seeds", "found")
    yield Table("Seeds computed for a power of 80 %, and how often so many found the difference.", names, cells)


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def main() -> None:
    """Print the tables, for normal noise and for that of the results named."""
    draws: dict[str, Draw] = {"normal": normal}
    for source in sys.argv[1:]:
        draws[f"residuals of {Path(source).name}"] = resampled(residuals(read_results(Path(source))))
    for table in tables(draws):
        print(f"{table.caption}\n\n{table.markdown()}\n")


if __name__ == "__main__":
    main()
