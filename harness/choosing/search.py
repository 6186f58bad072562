"""The search for the smallest keep that reaches a bound, on validation accuracies alone. Pure functions."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prunebench.choosing.rounds import FINALISTS
from prunebench.seeding import RACE_SEEDS

KEEPS = (*(n / 100 for n in range(95, 5, -5)), 0.08, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01)
MANY, FEW = 2, 4  # seeds of a step with more than three criteria, and with three or fewer
STEPS = (-4, -2, -1, 0, 1, 2)  # from the found keep to those that a confirmation tries, the largest first

# accuracies of criteria at a keep, one for each seed; None for a failure
Measure = Callable[[Sequence[str], float, Sequence[int]], Mapping[str, Sequence[float | None]]]


@dataclass(frozen=True)
class Step:
    """One step of a search. means: accuracies over the seeds, best first; fractions. reached: whether the best did.

    failed: reasons are with the trials.
    """

    keep: float
    seeds: tuple[int, ...]
    means: Mapping[str, float]
    reached: bool
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Search:
    """A finished search. keeps: that were searched, in descending order.

    criterion, keep: the best one at the smallest keep where a mean reached the bound; None where none did.
    """

    keeps: tuple[float, ...]
    steps: tuple[Step, ...]
    criterion: str | None = None
    keep: float | None = None

    @property
    def candidates(self) -> tuple[float, ...]:
        """Keeps to confirm, the largest first: the found one, three larger and two smaller ones.

        >>> Search((0.9, 0.8, 0.7, 0.6, 0.5), (), "taylor", 0.6).candidates
        (0.8, 0.7, 0.6, 0.5)
        """
        if self.keep is None:
            return ()
        places = (self.keeps.index(self.keep) + step for step in STEPS)
        return tuple(self.keeps[place] for place in places if 0 <= place < len(self.keeps))


def run_search(field: Sequence[str], keeps: Sequence[float], bound: float, measure: Measure) -> Search:
    """Bisect the keeps for the smallest at which some criterion's mean accuracy reaches the bound.

    keeps: in descending order. After each step the better half of the criteria stays, three at least. Where some
    reach the bound, only these stay. Bisection takes it that accuracy does not rise as the keep falls. Where it does,
    the keep that is found reaches the bound, but a smaller one may, too.

    >>> curve = {0.9: 0.95, 0.7: 0.93, 0.5: 0.91, 0.3: 0.6}
    >>> def measure(names, keep, seeds):
    ...     return {"taylor": [curve[keep]] * len(seeds)}
    >>> found = run_search(["taylor"], list(curve), 0.92, measure)
    >>> found.criterion, found.keep, [step.keep for step in found.steps]
    ('taylor', 0.7, [0.5, 0.7])
    """
    names, steps = list(field), list[Step]()
    best: tuple[str, float] | None = None
    low, high = 0, len(keeps)  # the keeps before low reach the bound, those from high on do not
    while low < high and names:
        middle = (low + high) // 2
        step = _step(names, keeps[middle], bound, measure)
        steps.append(step)
        if not step.means:
            break
        if step.reached:
            best, low = (next(iter(step.means)), step.keep), middle + 1
        else:
            high = middle
        names = _staying(step, bound)
    return Search(tuple(keeps), tuple(steps), *(best or (None, None)))


def worst_paths(keeps: Sequence[float], criteria: int) -> Iterator[list[tuple[float, int, int]]]:
    """Yield every path of a search as (keep, criteria, seeds) of its steps, where as many criteria stay as can.

    Paths that differ in the outcome of their last step alone are equal.

    >>> list(worst_paths((0.9, 0.5), 8))
    [[(0.5, 8, 2)], [(0.5, 8, 2), (0.9, 4, 2)], [(0.5, 8, 2), (0.9, 4, 2)]]
    """
    yield from _paths(keeps, 0, len(keeps), criteria)


def _paths(keeps: Sequence[float], low: int, high: int, criteria: int) -> Iterator[list[tuple[float, int, int]]]:
    if low >= high:
        yield []
        return
    middle = (low + high) // 2
    here = (keeps[middle], criteria, len(seeds_of(criteria)))
    for part in ((middle + 1, high), (low, middle)):
        yield from ([here, *rest] for rest in _paths(keeps, *part, _half(criteria)))


def seeds_of(criteria: int) -> tuple[int, ...]:
    """Return the seeds of a step: the same at every keep, more for few criteria.

    >>> seeds_of(8), seeds_of(3)
    ((2000, 2001), (2000, 2001, 2002, 2003))
    """
    return tuple(range(RACE_SEEDS, RACE_SEEDS + (MANY if criteria > FINALISTS else FEW)))


def _step(names: Sequence[str], keep: float, bound: float, measure: Measure) -> Step:
    seeds = seeds_of(len(names))
    found = {
        name: [value for value in values if value is not None] for name, values in measure(names, keep, seeds).items()
    }
    failed = tuple(name for name in names if len(found[name]) < len(seeds))
    means = {name: round(sum(found[name]) / len(seeds), 12) for name in names if name not in failed}
    ranked = dict(sorted(means.items(), key=lambda item: -item[1]))
    return Step(keep, seeds, ranked, any(mean >= bound for mean in ranked.values()), failed)


def _staying(step: Step, bound: float) -> list[str]:
    """Return the criteria that stay, best first."""
    left = [name for name, mean in step.means.items() if not step.reached or mean >= bound]
    return left[: _half(len(step.means))]


def _half(criteria: int) -> int:
    return min(criteria, max(FINALISTS, math.ceil(criteria / 2)))
