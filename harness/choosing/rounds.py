"""The rounds of a race: who stays, decided by accuracies on validation pictures alone. Pure functions."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prunebench.seeding import RACE_SEEDS

FINALISTS = 3
WIDE = 0.006  # a spread above .6 points asks for more seeds
SHARES = (2, 4)  # the better half, then the better quarter

Scores = Mapping[str, Sequence[float]]  # accuracies of each criterion by seed, fractions
Measure = Callable[[Sequence[str], Sequence[int]], Mapping[str, Sequence[float | None]]]


@dataclass(frozen=True)
class Round:
    """One round of a race. seeds: trained in this round. means: over all seeds so far, best first; fractions.

    dropped: criteria that leave. failed: reasons are with the trials.
    """

    seeds: tuple[int, ...]
    means: Mapping[str, float]
    dropped: tuple[str, ...]
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Race:
    """A finished race. finalists: the best first. spread: None without two criteria and two seeds."""

    rounds: tuple[Round, ...]
    finalists: tuple[str, ...]
    spread: float | None = None

    @property
    def wide(self) -> bool:
        """Tell whether the spread asks for more seeds."""
        return self.spread is not None and self.spread > WIDE


def run_race(field: Sequence[str], measure: Measure, seeds: int | None = None) -> Race:
    """Race a field of criteria down to three.

    measure: gives the accuracy of criteria on seeds; None for a failure. seeds: of every round. By default two, or
    three where the spread of the first round is above .6 points. A field of three or fewer does not race.

    >>> truth = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6}
    >>> run_race(list(truth), lambda names, seeds: {name: [truth[name]] * len(seeds) for name in names}).finalists
    ('a', 'b', 'c')
    """
    if len(field) <= FINALISTS:
        return Race((), tuple(field))
    scores: dict[str, list[float]] = {name: [] for name in field}
    rounds: list[Round] = []
    each, width, next_seed = seeds or 2, None, RACE_SEEDS
    targets = _targets(len(field), wide=False)
    while targets and len(scores) > FINALISTS:
        used, failed = _extend(scores, measure, range(next_seed, next_seed + each))
        if not rounds:
            width = spread(scores)
            if seeds is None and width is not None and width > WIDE:
                each, targets = 3, _targets(len(field), wide=True)
                more, others = _extend(scores, measure, range(next_seed + 2, next_seed + 3))
                used, failed = used + more, failed + others
        next_seed += each
        means = _ranked(scores)
        dropped = tuple(means)[targets.pop(0) :]
        rounds.append(Round(used, means, dropped, failed))
        for name in dropped:
            del scores[name]
    return Race(tuple(rounds), tuple(_ranked(scores)), width)


def most_rounds(field: int, seeds: int | None = None) -> list[tuple[int, int]]:
    """Return the most that a race can train: (criteria, seeds) of every round.

    >>> most_rounds(24, 2), most_rounds(24), most_rounds(3)
    ([(24, 2), (12, 2), (6, 2)], [(24, 3), (12, 3)], [])
    """
    options = [(seeds, False)] if seeds else [(2, False), (3, True)]
    plans = []
    for each, wide in options:
        left = [field, *_targets(field, wide)][:-1]
        plans.append([(criteria, each) for criteria in left])
    return max(plans, key=lambda plan: sum(criteria * each for criteria, each in plan))


def spread(scores: Scores) -> float | None:
    """Estimate the standard deviation, over seeds, of the difference between two criteria; a fraction.

    The means of criteria and of seeds are taken off first. None for fewer than two criteria or two seeds.

    >>> spread({"a": [0.5, 0.7], "b": [0.4, 0.6]}), spread({"a": [0.5, 0.5]})
    (0.0, None)
    """
    table = np.array([list(values) for values in scores.values()])
    if table.ndim != 2 or min(table.shape) < 2:
        return None
    rest = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    criteria, seeds = table.shape
    return math.sqrt(round(2 * float((rest**2).sum()) / ((criteria - 1) * (seeds - 1)), 12))


def _targets(field: int, wide: bool) -> list[int]:
    """Return how many criteria every round keeps. The last round keeps three.

    >>> _targets(24, wide=False), _targets(24, wide=True), _targets(8, wide=False), _targets(4, wide=False)
    ([12, 6, 3], [12, 3], [4, 3], [3])
    """
    if field <= FINALISTS:
        return []
    kept = [math.ceil(field / share) for share in (SHARES[:1] if wide else SHARES)]
    return [*(number for number in kept if number > FINALISTS), FINALISTS]


def _extend(
    scores: dict[str, list[float]], measure: Measure, seeds: Sequence[int]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Add the accuracies of more seeds. Criteria that failed leave. Returns the seeds and who failed."""
    found, failed = measure(tuple(scores), seeds), []
    for name, values in found.items():
        known = [value for value in values if value is not None]
        if len(known) < len(seeds):
            failed.append(name)
            del scores[name]
        else:
            scores[name].extend(known)
    return tuple(seeds), tuple(failed)


def _ranked(scores: Scores) -> dict[str, float]:
    """Return the mean of every criterion, best first. Equal means stay in the order of the field."""
    means = {name: round(sum(values) / len(values), 12) for name, values in scores.items()}
    return dict(sorted(means.items(), key=lambda item: -item[1]))
