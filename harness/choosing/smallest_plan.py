"""Describes a search for the smallest network before it runs: its steps, and the most that they take."""

from collections.abc import Sequence
from functools import partial

from tabulate import tabulate

from prunebench.choosing.asked import checked_spec
from prunebench.choosing.budget import CONFIRMED_SEEDS
from prunebench.choosing.field import REFERENCES
from prunebench.choosing.race import APART
from prunebench.choosing.search import STEPS, Search, seeds_of, worst_paths
from prunebench.choosing.searching import at_keeps, searched_keeps
from prunebench.choosing.smallest import prepare
from prunebench.preview.dry_run import trained_pictures, training_pictures
from prunebench.preview.pace import measure
from prunebench.reports.formatting import duration
from prunebench.seeding import RACE_SEEDS
from prunebench.study.grid import Grid, Job, make_trajectory, prepare_task
from prunebench.study.spec import Spec
from prunebench.study.store import Store

_SHARED = ("dense", "sparse")  # stages that all keeps of a seed start from

Steps = Sequence[tuple[float, int, int]]  # keep, criteria, seeds of each


class _Estimate:
    """Estimates seconds of stages from training steps timed now."""

    def __init__(self, spec: Spec, field: Sequence[str]) -> None:
        self.spec, self.field, self.keeps = spec, field, searched_keeps(spec)
        ready = prepare_task(spec, *spec.pairs[0])
        self.effort = partial(trained_pictures, ready=ready, pictures=training_pictures(ready))
        self.pace = measure(Grid(at_keeps(spec, self.keeps), ()), ready)
        self.costs = {keep: self._costs(keep) for keep in self.keeps}

    def _costs(self, keep: float) -> list[tuple[float, dict[str, float]]]:
        """Give each criterion's seconds at a keep, the costliest first: of its own stages, and of shared ones."""
        found, spec = [], at_keeps(self.spec, (keep,))
        for name in self.field:
            trajectory = make_trajectory(spec, Store(spec.results, make=False), Job(*spec.pairs[0], name, RACE_SEEDS))
            stages = [*trajectory.plan.point(trajectory.method, keep).on_trial(APART).origins()]
            seconds = {s.key: self.effort(s) * self.pace(s.keep) / spec.workers for s in stages}
            shared = {s.key: seconds[s.key] for s in stages if s.kind in _SHARED}
            found.append((sum(seconds[s.key] for s in stages if s.kind not in _SHARED), shared))
        return sorted(found, key=lambda one: -one[0])

    def search(self, path: Steps) -> float:
        """Sum the seconds of a search along a path."""
        shared: dict[str, float] = {}
        seconds = 0.0
        for keep, criteria, seeds in path:
            costliest = self.costs[keep][:criteria]
            seconds += seeds * sum(own for own, _ in costliest)
            shared |= {key: took for _, stages in costliest for key, took in stages.items()}
        return seconds + max((seeds for _, _, seeds in path), default=0) * sum(shared.values())

    def confirmation(self, keep: float) -> float:
        """Sum the seconds of the most that a confirmation around a keep takes, with the references."""
        candidates = Search(self.keeps, (), self.field[0], keep).candidates
        own = sum(self.costs[one][0][0] for one in candidates) + len(REFERENCES) * self.costs[keep][0][0]
        shared = sum(self.costs[keep][0][1].values())
        return CONFIRMED_SEEDS * (own + shared)


def describe_search(spec: Spec) -> str:
    """Describe what a search would do: its steps, points and estimated time. Computes nothing."""
    spec = checked_spec(spec)
    field = prepare(spec)
    estimate, criteria = _Estimate(spec, field.criteria), len(field.criteria)
    paths = [*worst_paths(estimate.keeps, criteria)]
    rows = [*_rows(paths), *_confirmation_rows()]
    head = ["step", "criteria", "keep", "seeds", "points", "pictures that decide"]
    names = f"In the search: {', '.join(f'`{name}`' for name in field.criteria)}."
    seconds = max(estimate.search(path) for path in paths) + max(map(estimate.confirmation, estimate.keeps))
    total = f"At most {sum(int(row[4]) for row in rows)} points in about {duration(seconds)}"
    table = tabulate(rows, head, "simple", disable_numparse=True)
    return "\n".join([table, names, *field.absent(), f"{total}, estimated from training steps timed just now."])


def _rows(paths: Sequence[Steps]) -> list[list[str]]:
    """Describe the steps of a search, each with the keeps that its earlier steps may lead to."""
    rows = []
    longest: Steps = sorted(paths, key=lambda path: len(path))[-1]
    for number, (_, criteria, seeds) in enumerate(longest):
        keeps = dict.fromkeys(f"{path[number][0]:g}" for path in paths if len(path) > number)
        used = seeds_of(criteria)
        cells = (f"{used[0]}-{used[-1]}", str(criteria * seeds), "validation")
        rows.append([f"search, step {number + 1}", str(criteria), " or ".join(keeps), *cells])
    return rows


def _confirmation_rows() -> list[list[str]]:
    seeds, keeps, references = f"0-{CONFIRMED_SEEDS - 1}", len(STEPS), len(REFERENCES)
    return [
        ["confirmation", "1", f"{keeps} at most", seeds, str(keeps * CONFIRMED_SEEDS), "test"],
        ["references", str(references), "the confirmed", seeds, str(references * CONFIRMED_SEEDS), "none"],
    ]
