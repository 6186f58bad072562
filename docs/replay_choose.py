"""Replay `prunebench choose` against the full grid: on the records of a results folder, and in a simulation.

A replay draws seeds apart: for the race (validation pictures), for the confirmation and the full grid (test pictures),
and held-out seeds, on which the two choices are compared. `choose` and the full grid use the same number of seeds on
test pictures where the folder has few. Run: python docs/replay_choose.py RESULTS, or --simulate
"""

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from prunebench.choosing.budget import CONFIRMED_SEEDS, IF_WIDE
from prunebench.choosing.field import REFERENCES, confirmed_names
from prunebench.choosing.race import race_value
from prunebench.choosing.rounds import run_race
from prunebench.records.names import RANDOM
from prunebench.records.record import Record
from prunebench.reports.reading import read_results
from prunebench.seeding import RACE_SEEDS

FULL = 10  # seeds of the full grid
Values = NDArray[np.float64]  # (criteria, seeds), fractions


@dataclass(frozen=True)
class Scores:
    """Accuracies on validation and on test pictures, (criteria, seeds). keeps: what they are of."""

    task: str
    keeps: str
    names: tuple[str, ...]
    validation: Values
    test: Values


class Outcome(NamedTuple):
    """One replay. regret: of `choose` against the full grid, on held-out seeds. cost: trajectories of both."""

    chosen: str
    full: str
    regret: float
    cost: int
    full_cost: int


def read_scores(folder: Path) -> list[Scores]:
    """Read the accuracies of a finished grid: for every task each keep, and the area over all keeps."""
    results = read_results(folder)
    cells: dict[str, dict[tuple[str, int], dict[float, Record]]] = {}
    for record in results.records:
        ours = cells.setdefault(results.tasks[record.key], {})
        ours.setdefault((record.cell.criterion, record.cell.seed), {})[record.cell.keep] = record
    found = []
    for task, by_cell in cells.items():
        keeps = sorted({keep for records in by_cell.values() for keep in records}, reverse=True)
        for wanted in [[keep] for keep in keeps] + [keeps] * (len(keeps) > 1):
            found.append(_scores(task, by_cell, wanted))
    return found


def _scores(task: str, by_cell: Mapping[tuple[str, int], Mapping[float, Record]], keeps: list[float]) -> Scores:
    names = tuple(dict.fromkeys(name for name, _ in by_cell))
    whole = {cell for cell, records in by_cell.items() if set(keeps) <= records.keys()}
    seeds = [seed for seed in sorted({seed for _, seed in by_cell}) if all((name, seed) in whole for name in names)]

    def table(value: Callable[[Record], float | None]) -> Values:
        cells = [[[value(by_cell[name, s][keep]) or 0.0 for keep in keeps] for s in seeds] for name in names]
        return np.array([[race_value(keeps, one) for one in row] for row in cells])

    # the last epoch of the curve is the end of fine-tuning
    validation = table(lambda record: record.curves[-1].validation)
    test = table(lambda record: record.accuracy.finetuned if record.accuracy else None)
    label = ", ".join(f"{keep:g}" for keep in keeps) + (" (area)" if len(keeps) > 1 else "")
    return Scores(task, label, names, validation, test)


def replay(scores: Scores, race: Sequence[int], test: Sequence[int], held: Sequence[int]) -> Outcome:
    """Let `choose` and the full grid choose. race, test, held: seeds as columns of the tables; none is in two lists.

    A race that wants more seeds than there are starts again with its first seed.
    """
    field = [name for name in scores.names if name not in REFERENCES]
    row = {name: number for number, name in enumerate(scores.names)}
    raced = Counter[str]()

    def measure(names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[float | None]]:
        raced.update({name: len(seeds) for name in names})
        columns = [race[(seed - RACE_SEEDS) % len(race)] for seed in seeds]
        return {name: [float(scores.validation[row[name], column]) for column in columns] for name in names}

    found = run_race(field, measure)
    confirmed = confirmed_names(found.finalists)
    used = test[: IF_WIDE if found.wide else CONFIRMED_SEEDS]
    choice = _best(scores, [name for name in confirmed if name != RANDOM], used)
    full = _best(scores, [name for name in scores.names if name != RANDOM], test[:FULL])
    regret = float(np.mean(scores.test[row[full], held]) - np.mean(scores.test[row[choice], held]))
    cost = raced.total() + len(confirmed) * len(used)
    return Outcome(choice, full, regret, cost, len(scores.names) * min(FULL, len(test)))


def _best(scores: Scores, names: Sequence[str], seeds: Sequence[int]) -> str:
    means = {name: float(np.mean(scores.test[scores.names.index(name), seeds])) for name in names}
    return max(means, key=lambda name: means[name])


def replay_all(scores: Scores, draws: int, random: np.random.Generator) -> list[Outcome]:
    """Replay with the seeds drawn apart in many ways. A third of few seeds serves each purpose."""
    seeds = scores.test.shape[1]
    if seeds < 3:
        raise SystemExit(f"{scores.task}: {seeds} complete seeds; a replay needs at least 3")
    racing = min(6, max(1, seeds // 3))
    held = max(1, min(seeds - racing - FULL, seeds // 3) if seeds > racing + FULL else seeds // 4)
    found = []
    for _ in range(draws):
        order = random.permutation(seeds).tolist()
        found.append(replay(scores, order[:racing], order[racing : seeds - held], order[seeds - held :]))
    return found


def simulated(random: np.random.Generator, criteria: int, effect: float, noise: float) -> Scores:
    """Draw a task: true accuracies by a normal law, and noise of seeds on both kinds of pictures. Held out: the truth.

    effect, noise: standard deviations, fractions. A seed's common part is left out: it moves all criteria alike.
    """
    truth = random.normal(0.8, effect, (criteria, 1))
    names = tuple(f"c{number}" for number in range(criteria - 2)) + REFERENCES
    seeds = [truth + random.normal(0, noise, (criteria, count)) for count in (8, FULL)]
    nothing = np.full((criteria, FULL + 1), np.nan)
    validation = np.hstack([seeds[0], nothing])
    test = np.hstack([np.full((criteria, 8), np.nan), seeds[1], truth])
    return Scores("simulated", f"effects {100 * effect:g}, noise {100 * noise:g}", names, validation, test)


def simulate(draws: int, criteria: int = 26) -> list[list[str]]:
    """Replay on simulated tasks: 24 racing criteria and the references. Returns rows of the table."""
    random, rows = np.random.default_rng(0), []
    for effect, noise in ((0.005, 0.002), (0.005, 0.004), (0.005, 0.01), (0.01, 0.01), (0.0, 0.004)):
        found = []
        for _ in range(draws):
            scores = simulated(random, criteria, effect, noise)
            outcome = replay(scores, range(8), range(8, 8 + FULL), [8 + FULL])
            best = float(scores.test[[name != RANDOM for name in scores.names], -1].max())
            at = [best - float(scores.test[scores.names.index(one), -1]) for one in (outcome.chosen, outcome.full)]
            found.append((*at, outcome.cost, outcome.full_cost))
        regret, full, cost, full_cost = np.mean(found, axis=0)
        cells = [f"{100 * effect:g}", f"{100 * noise:g}", f"{100 * regret:.2f}", f"{100 * full:.2f}"]
        rows.append([*cells, f"{cost:.0f}", f"{full_cost:.0f}"])
    return rows


def row_of(scores: Scores, found: Sequence[Outcome]) -> list[str]:
    """Write one row: what both answer, and at what cost."""
    regrets = 100 * np.array([one.regret for one in found])
    error = regrets.std() / np.sqrt(len(regrets))
    same = np.mean([one.chosen == one.full for one in found])
    answers = [_usual([getattr(one, who) for one in found]) for who in ("chosen", "full")]
    costs = [f"{np.mean([getattr(one, what) for one in found]):.0f}" for what in ("cost", "full_cost")]
    head = [scores.task, scores.keeps, f"{len(scores.names)} x {scores.test.shape[1]}"]
    return [*head, *answers, f"{100 * same:.0f} %", f"{regrets.mean():+.2f} ± {error:.2f}", *costs]


def _usual(names: Sequence[str]) -> str:
    common = Counter(names).most_common(3)
    return ", ".join(f"{name} {100 * count / len(names):.0f} %" for name, count in common)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", nargs="*", type=Path, help="results folders of finished grids")
    parser.add_argument("--simulate", action="store_true", help="replay on simulated tasks as well")
    parser.add_argument("--draws", type=int, default=1000, help="ways to draw the seeds apart, or simulated tasks")
    given = parser.parse_args()
    rows = []
    for folder in given.results:
        for scores in read_scores(folder):
            rows.append(row_of(scores, replay_all(scores, given.draws, np.random.default_rng(0))))
    if rows:
        head = ["task", "keeps", "criteria x seeds", "choose answers", "full grid answers", "same"]
        head += ["points lost on held-out seeds", "trajectories", "of the full grid"]
        print(tabulate(rows, head, "pipe"))
    if given.simulate:
        head = ["effects, points", "noise, points", "points lost by choose", "by the full grid", "trajectories", "full"]
        print(tabulate(simulate(given.draws), head, "pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
