"""Error and power of the tests in reports, by simulation. Run: python docs/simulate_tests.py (minutes on one core).

Accuracies are drawn for criteria and a baseline, in units of the standard deviation of their paired differences. The
tests are computed here for many repetitions at once; `tests/test_simulate_tests.py` holds them against the package.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from tabulate import tabulate

from prunebench.reports.analysis.changes import IMPROVED, REGRESSED, describe_change, judge_changes

SEEDS = (5, 6, 8, 10, 15, 20)
ALPHA = 0.05
MOST_SIGNS = 2_048  # all sign vectors up to 12 seeds; more are drawn
IN_MEMORY = 2**22  # statistics at a time
SLACK = 1e-9
TESTS = ("v_m", "q_m", "Holm", "Holm per keep")

Vector = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Vector]


class Family(NamedTuple):
    """Contrasts of criteria with one baseline. keeps: with more than one, the mean over keeps is a contrast too."""

    criteria: int
    keeps: int

    @property
    def budgets(self) -> NDArray[np.int64]:
        """The budget of each contrast, (contrasts,)."""
        each = self.keeps + (self.keeps > 1)
        return np.tile(np.arange(each), self.criteria)


FAMILIES = (Family(7, 1), Family(5, 5))


class World(NamedTuple):
    """A truth to draw accuracies from. draw: noise of mean 0; baseline: that of the baseline, where it is another.

    better: true differences of the first criteria; spreads: whether criteria scatter unequally, from 0.3 to 3.
    """

    name: str
    draw: Draw
    baseline: Draw | None = None
    better: tuple[float, ...] = ()
    spreads: bool = False

    def differences(self, rng: np.random.Generator, family: Family, n: int, repetitions: int) -> Vector:
        """Draw paired differences, (repetitions, contrasts, n). Keeps of one criterion share 0.6 of the variance."""
        noise = _accuracies(rng, self.draw, (repetitions, family.criteria, n), family.keeps)
        if self.spreads:
            noise *= np.geomspace(0.3, 3.0, family.criteria)[:, None, None]
        noise[:, : len(self.better)] += np.array(self.better)[:, None, None]
        d = noise - _accuracies(rng, self.baseline or self.draw, (repetitions, 1, n), family.keeps)
        if self.name.startswith("ties"):
            d = np.round(d)
        if family.keeps > 1:
            d = np.concatenate([d, d.mean(axis=2, keepdims=True)], axis=2)
        return d.reshape(repetitions, -1, n)


def _accuracies(rng: np.random.Generator, draw: Draw, shape: tuple[int, int, int], keeps: int) -> Vector:
    """Draw (repetitions, criteria, keeps, n) with variance one half."""
    repetitions, criteria, n = shape
    shared = draw(rng, (repetitions, criteria, 1, n))
    own = draw(rng, (repetitions, criteria, keeps, n)) if keeps > 1 else 0.0 * shared
    share = 0.6 if keeps > 1 else 1.0
    mixed: Vector = (share**0.5 * shared + (1 - share) ** 0.5 * own) / 2**0.5
    return mixed


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Vector:
    """Draw standard normal noise."""
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Vector:
    """Draw t noise with three degrees of freedom, of variance 1."""
    return rng.standard_t(3, shape) / 3**0.5


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Vector:
    """Draw exponential losses of mean 0 and variance 1."""
    drawn: Vector = 1.0 - rng.exponential(size=shape)
    return drawn


def collapsing(rng: np.random.Generator, shape: tuple[int, ...]) -> Vector:
    """Draw noise of mean 0 and variance 1: one run in ten loses 2.8, the others scatter by 0.55."""
    drawn: Vector = rng.standard_normal(shape) + 0.5 - 5.0 * (rng.random(shape) < 0.1)
    return drawn / 3.25**0.5


NULLS = (
    World("normal", normal),
    World("unequal spreads", normal, spreads=True),
    World("heavy tails", heavy),
    World("collapses, 10 % of runs", collapsing),
    World("ties, 38 % of seeds", normal),
    World("collapses of the baseline alone", normal, baseline=collapsing),
    World("skewed baseline", normal, baseline=skewed),
    World("one better by 2", normal, better=(2.0,)),
    World("three better by 1.5", normal, better=(1.5, 1.5, 1.5)),
    World("one better by 1.5, unequal spreads", normal, better=(1.5,), spreads=True),
)
POWERS = (
    World("normal, 1 sd", normal, better=(1.0,)),
    World("normal, 1.5 sd", normal, better=(1.5,)),
    World("normal, 2 sd", normal, better=(2.0,)),
    World("three better, 1.5 sd", normal, better=(1.5, 1.5, 1.5)),
    World("heavy tails, 1.5 sd", heavy, better=(1.5,)),
    World("collapses, 1.5 sd", collapsing, better=(1.5,)),
    World("unequal spreads, the narrowest by 1.5", normal, better=(1.5,), spreads=True),
    World("unequal spreads, all by 1.5", normal, better=(1.5,) * 5, spreads=True),
)


def adjusted(d: Vector, budgets: NDArray[np.int64]) -> dict[str, Vector]:
    """Give the adjusted p of every test, (repetitions, contrasts); d: (repetitions, contrasts, seeds)."""
    size = max(1, IN_MEMORY // (d.shape[1] * MOST_SIGNS))
    signs = sign_vectors(d.shape[2])
    parts = [_adjusted(d[start : start + size], budgets, signs) for start in range(0, len(d), size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in TESTS}


def sign_vectors(n: int) -> Vector:
    """Give sign vectors, (n, vectors); the first is the observed one."""
    if 2 ** (n - 1) <= MOST_SIGNS:
        flipped = (np.arange(2 ** (n - 1)) >> np.arange(n)[:, None]) & 1
    else:
        flipped = np.random.default_rng(n).integers(2, size=(n, MOST_SIGNS))
        flipped[:, 0] = 0
    signs: Vector = 1.0 - 2.0 * flipped
    return signs


def _adjusted(d: Vector, budgets: NDArray[np.int64], signs: Vector) -> dict[str, Vector]:
    sums = np.abs(d @ signs)
    square = (d * d).mean(axis=2)
    pooled = np.stack([square[:, budgets == budget].mean(axis=1) for budget in budgets], axis=1)
    alone = np.mean(sums >= sums[..., :1] - SLACK, axis=2)
    by_keep = np.empty_like(alone)
    for budget in np.unique(budgets):
        by_keep[:, budgets == budget] = _holm(alone[:, budgets == budget])
    joint = (_joint(sums, v * d.shape[2]) for v in ((square + pooled) / 2, square))
    return dict(zip(TESTS, (*joint, _holm(alone), by_keep), strict=True))


def _joint(sums: Vector, scale: Vector) -> Vector:
    statistics = sums / np.sqrt(np.where(scale > 0, scale, 1.0))[..., None]
    order = np.argsort(statistics[..., 0], axis=1)
    rising = np.take_along_axis(statistics, order[..., None], axis=1)
    reached = np.mean(np.maximum.accumulate(rising, axis=1) >= rising[..., :1] - SLACK, axis=2)
    p = np.empty_like(reached)
    np.put_along_axis(p, order, np.maximum.accumulate(reached[:, ::-1], axis=1)[:, ::-1], axis=1)
    return p


def _holm(p: Vector) -> Vector:
    order = np.argsort(p, axis=1)
    raised = np.take_along_axis(p, order, axis=1) * np.arange(p.shape[1], 0, -1)
    found = np.empty_like(p)
    np.put_along_axis(found, order, np.minimum(1.0, np.maximum.accumulate(raised, axis=1)), axis=1)
    return found


class Rates(NamedTuple):
    """How often a family has a false verdict, and how often a contrast that differs has a right one, by test."""

    false: dict[str, float]
    found: dict[str, float]


def rates(world: World, family: Family, n: int, repetitions: int) -> Rates:
    """Simulate one world."""
    d = world.differences(np.random.default_rng([n, family.criteria]), family, n, repetitions)
    differs = np.repeat(np.arange(family.criteria) < len(world.better), len(family.budgets) // family.criteria)
    false, found = {}, {}
    for name, p in adjusted(d, family.budgets).items():
        verdict = p <= ALPHA
        wrong = verdict & (~differs | (d.mean(axis=2) < 0))
        false[name] = float(wrong.any(axis=1).mean())
        right = verdict & ~wrong
        found[name] = float(right[:, differs & (family.budgets < family.keeps)].mean()) if differs.any() else 0.0
    return Rates(false, found)


def _tables(repetitions: int) -> Iterator[str]:
    """Give the tables of errors, then those of power, which take half of the repetitions."""
    for title, worlds, power in (("False verdict in a family", NULLS, False), ("Verdict found", POWERS, True)):
        for family in FAMILIES:
            tests = TESTS if family.keeps > 1 else TESTS[:3]
            rows = [[world.name, *_cells(world, family, repetitions // (1 + power), power, tests)] for world in worlds]
            yield f"{title}, {len(family.budgets)} contrasts, %: {', '.join(tests)}"
            yield tabulate(rows, ["truth", *(f"{n} seeds" for n in SEEDS)], "github")


def _cells(world: World, family: Family, repetitions: int, power: bool, tests: Sequence[str]) -> Iterator[str]:
    for n in SEEDS:
        found = rates(world, family, n, repetitions)[power]
        yield ", ".join(f"{100 * found[name]:.1f}" for name in tests)


CHANGES = (  # what happened to 20 points, in points of accuracy; seeds scatter by 0.3
    ("nothing", normal, np.zeros(20)),
    ("nothing, heavy tails", heavy, np.zeros(20)),
    ("all fell by 0.4", normal, np.full(20, -0.4)),
    ("all fell by 0.5", normal, np.full(20, -0.5)),
    ("one fell by 1", normal, np.where(np.arange(20) == 0, -1.0, 0.0)),
    ("one rose by 0.5", normal, np.where(np.arange(20) == 0, 0.5, 0.0)),
)


def changes_table(repetitions: int) -> str:
    """Simulate `prunebench compare` with a margin of 0.5 points: how often some point has a verdict."""
    rows = []
    for name, draw, moved in CHANGES:
        cells = []
        for n in (3, 5, 10):
            rng = np.random.default_rng(n)
            told = [_changes(0.3 * draw(rng, (20, n)) + moved[:, None]) for _ in range(repetitions)]
            cells += [", ".join(f"{100 * np.mean([v in one for one in told]):.1f}" for v in (REGRESSED, IMPROVED))]
        rows.append([name, *cells])
    title = f"Comparisons of 20 points, margin 0.5, with some {REGRESSED}, some {IMPROVED}, %"
    return f"{title}\n" + tabulate(rows, ["what happened", "3 seeds", "5 seeds", "10 seeds"], "github")


def _changes(d: Vector) -> set[str]:
    rows = [describe_change(one, 0.5) | {"identical": 0} for one in d]
    judge_changes(rows, 0.5)
    return {row["verdict"] for row in rows}


BOUNDS = (  # accuracies of single runs, in units of their standard deviation
    ("normal", normal),
    ("heavy tails", heavy),
    ("skewed to losses", skewed),
    ("collapses, 10 % of runs", collapsing),
)
DISTANCES = (
    (0.0,),
    (2.0, 1.0, 0.0, -0.5),
    (0.5,),
    (1.0,),
    (2.0,),
)  # of true means above the bound, the largest keep first


def bound_errors(draw: Draw, above: Sequence[float], n: int, repetitions: int) -> tuple[float, float]:
    """Simulate `choose --at-least`: how often a keep at or below the bound is confirmed, and how often the first is.

    Keeps share 0.6 of a seed's variance. Each is tested one-sided at 0.05, and the first that is not confirmed ends it.
    """
    x = 2**0.5 * _accuracies(np.random.default_rng(n), draw, (repetitions, 1, n), len(above))[:, 0]
    x += np.array(above)[:, None]
    t = x.mean(axis=2) / (x.std(axis=2, ddof=1) / n**0.5)
    confirmed = np.logical_and.accumulate(t >= stdtrit(n - 1, 1 - ALPHA), axis=1)
    wrong = confirmed & (np.array(above) <= 0)
    return float(wrong.any(axis=1).mean()), float(confirmed[:, 0].mean())


def bounds_table(repetitions: int) -> str:
    """Simulate bounds for `choose --at-least`: false confirmations, then how often a single keep is confirmed."""
    rows = []
    for name, draw in BOUNDS:
        for n in (6, 8, 10):
            found = [bound_errors(draw, above, n, repetitions) for above in DISTANCES]
            cells = [found[0][0], found[1][0], *(power for _, power in found[2:])]
            rows.append([name, n, *(f"{100 * cell:.1f}" for cell in cells)])
    head = [
        "accuracies",
        "seeds",
        "on the bound",
        "four keeps, two at or below",
        "0.5 sd above",
        "1 sd above",
        "2 sd above",
    ]
    return "Confirmed above a bound, %\n" + tabulate(rows, head, "github", disable_numparse=True)


def main() -> None:
    """Print the tables of docs/explanation/statistics.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2_000)
    repetitions = parser.parse_args().repetitions
    print(bounds_table(10 * repetitions), end="\n\n", flush=True)
    print(changes_table(repetitions // 4), end="\n\n", flush=True)
    for text in _tables(repetitions):
        print(text, end="\n\n", flush=True)


if __name__ == "__main__":
    main()
