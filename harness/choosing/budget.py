"""Plans a choice: which criteria race, on how many seeds, and what that takes. A time budget makes the plan smaller."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prunebench.choosing.field import confirmed_names
from prunebench.choosing.race import APART
from prunebench.choosing.rounds import FINALISTS, most_rounds
from prunebench.errors import UserError
from prunebench.preview.dry_run import trained_pictures, training_pictures
from prunebench.preview.pace import measure
from prunebench.records.stage import FACTS
from prunebench.records.store_files import read_json
from prunebench.records.tuning import CHOICES
from prunebench.records.validation import Amount, Count, Frozen, Name, Positive, validated
from prunebench.reports.formatting import duration
from prunebench.seeding import RACE_SEEDS
from prunebench.study.grid import Grid, Job, make_trajectory, prepare_task
from prunebench.study.spec import Spec
from prunebench.study.stages import Stage
from prunebench.study.store import Store, key_of

CONFIRMED_SEEDS, IF_WIDE, FEWEST = 8, 10, 6  # six are the fewest that the joint test can decide with
_UNITS = {"h": 3600, "m": 60, "s": 1}
_SCHEMES = ((None, None), (2, CONFIRMED_SEEDS), (2, FEWEST))  # seeds of a round, of the confirmation; None: by spread

Seconds = Mapping[str, Mapping[str, float]]  # of the stages of one seed, by criterion and key


class Plan(Frozen):
    """What a choice may train. criteria: that race. seeds: of each round; confirm: of the confirmation.

    None: by the spread of the first round. trajectories, seconds: the most that this takes, as estimated.
    """

    criteria: tuple[Name, ...]
    seeds: Positive | None = None
    confirm: Positive | None = None
    trajectories: Count
    seconds: Amount

    def confirmation_seeds(self, wide: bool) -> tuple[int, ...]:
        """Return the seeds of the confirmation. wide: whether the spread of the race was above .6 points."""
        return tuple(range(self.confirm or (IF_WIDE if wide else CONFIRMED_SEEDS)))


@dataclass(frozen=True)
class Estimate:
    """Estimated seconds of one seed: of trials in the race, of points in the confirmation."""

    race: Seconds
    confirmation: Seconds

    def plan(self, field: Sequence[str], seeds: int | None, confirm: int | None) -> Plan:
        """Plan a race of a field. The costliest criteria count as those that stay, so this is the most it takes."""
        rounds = most_rounds(len(field), seeds)
        finalists = min(FINALISTS, len(field))
        last = confirm or (IF_WIDE if rounds else CONFIRMED_SEEDS)
        trajectories = sum(criteria * each for criteria, each in rounds) + (finalists + 2) * last
        seconds = sum(each * together(self.race, self._costliest(field, criteria)) for criteria, each in rounds)
        confirmed = confirmed_names(self._costliest(field, finalists))
        seconds += last * together(self.confirmation, confirmed)
        return Plan(criteria=tuple(field), seeds=seeds, confirm=confirm, trajectories=trajectories, seconds=seconds)

    def _costliest(self, field: Sequence[str], number: int) -> list[str]:
        return sorted(field, key=lambda name: -sum(self.confirmation[name].values()))[:number]


def read_duration(text: str) -> float:
    """Read a time budget in seconds. Raises `UserError` for anything but hours, minutes and seconds.

    >>> read_duration("2h"), read_duration("90m"), read_duration("1h30m"), read_duration("0.5h")
    (7200.0, 5400.0, 5400.0, 1800.0)
    """
    number = r"(\d{1,6}(?:\.\d{1,6})?)"
    found = re.fullmatch("".join(rf"(?:{number}{unit})?" for unit in _UNITS), text.strip(), re.ASCII)
    seconds = sum(float(n) * size for n, size in zip(found.groups(), _UNITS.values(), strict=True) if n) if found else 0
    if not seconds:
        raise UserError(f"--budget {text}: not a time above zero; give hours and minutes, such as 2h, 90m or 1h30m")
    return float(seconds)


def fitting_plan(estimate: Estimate, field: Sequence[str], budget: float | None) -> Plan:
    """Return the largest plan within a budget of seconds: first with fewer seeds, then with fewer criteria.

    Criteria leave from the end of the field. Raises `UserError` where not even one criterion fits.
    """
    plans = [estimate.plan(field[:left], *scheme) for left in range(len(field), 0, -1) for scheme in _SCHEMES]
    for plan in plans:
        if budget is None or plan.seconds <= budget:
            return plan
    least = min(plan.seconds for plan in plans)
    what = f"one criterion and the references, confirmed on {FEWEST} seeds, take about {duration(least)}"
    raise UserError(f"--budget of {duration(budget or 0)}: {what}; give more time, or train fewer epochs or pictures")


def together(seconds: Seconds, names: Sequence[str]) -> float:
    """Sum the seconds of some criteria on one seed. A stage that they share counts once.

    >>> together({"a": {"dense": 5.0, "a": 1.0}, "b": {"dense": 5.0, "b": 2.0}}, ["a", "b"])
    8.0
    """
    return sum({key: took for name in names for key, took in seconds[name].items()}.values())


def estimated(spec: Spec, field: Sequence[str]) -> Estimate:
    """Estimate the seconds of every criterion on one seed, from training steps timed now and from finished stages."""
    ready, store = prepare_task(spec, *spec.pairs[0]), Store(spec.results, make=False)
    effort = partial(trained_pictures, ready=ready, pictures=training_pictures(ready))
    names = confirmed_names(field)
    race = {name: _stages(spec, store, name, trial=True) for name in names}
    confirmation = {name: _stages(spec, store, name, trial=False) for name in names}
    stages = {s.key: s for found in (race, confirmation) for one in found.values() for s in one}
    done = [stage for stage in stages.values() if (store.stage(stage.key) / FACTS).exists()]
    pace = measure(Grid(spec, ()), ready).corrected(done, store, effort)

    def seconds(found: Mapping[str, list[Stage]]) -> Seconds:
        return {n: {s.key: effort(s) * pace(s.keep) / spec.workers for s in one} for n, one in found.items()}

    return Estimate(seconds(race), seconds(confirmation))


def _stages(spec: Spec, store: Store, criterion: str, trial: bool) -> list[Stage]:
    job = Job(*spec.pairs[0], criterion, RACE_SEEDS if trial else 0)
    trajectory = make_trajectory(spec, store, job)
    points = [trajectory.plan.point(trajectory.method, fraction) for fraction in spec.keep.fractions]
    return [stage for point in points for stage in (point.on_trial(APART) if trial else point).origins()]


def make_plan(spec: Spec, field: Sequence[str], budget: str | None, keep_it: bool) -> Plan:
    """Plan a choice. Under a budget the plan is stored, so that the same command goes on with the same plan.

    budget: as typed. keep_it: whether to store a new plan.
    """
    if budget is None:
        return fitting_plan(estimated(spec, field), field, None)
    seconds, path = read_duration(budget), _file(spec, field, budget)
    if path.exists():
        return validated(Plan, read_json(path), str(path))
    plan = fitting_plan(estimated(spec, field), field, seconds)
    if keep_it:
        Store(spec.results).write_json(path, plan.model_dump(mode="json"))
    return plan


def _file(spec: Spec, field: Sequence[str], budget: str) -> Path:
    facts = spec.protocol().facts() | {"tasks": spec.pairs, "keep": str(spec.keep)}
    key = key_of("", facts | {"field": list(field), "budget": read_duration(budget)})
    return spec.results / CHOICES / f"plan-{key}.json"
