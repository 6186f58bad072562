"""Chooses the value of a setting with the best mean accuracy on validation pictures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prunebench.errors import UserError
from prunebench.records.requested import parse_seeds
from prunebench.records.tuning import Choice
from prunebench.study.grid import Grid
from prunebench.study.store import Store
from prunebench.tuning.trials import Trial

Found = Mapping[float, Sequence[Trial]]  # the trials of each value


@dataclass(frozen=True)
class Search:
    """A setting to choose for a criterion on a task. path: file of the choice."""

    dataset: str
    model: str
    criterion: str
    path: Path

    @property
    def task(self) -> str:
        """Dataset x model."""
        return f"{self.dataset} x {self.model}"


def choose(searches: Mapping[Search, Found], grid: Grid, prefer: Callable[[float, list[float]], Any]) -> list[Choice]:
    """Choose and write the best value of every search.

    prefer: sort key of a value, given all values. Of values with the best mean, the lowest key wins. A search fails
    where every value has a failed trial. The other choices are written, then a `UserError` is raised.
    """
    store, choices, failures = Store(grid.spec.results), list[Choice](), list[str]()
    for search, found in searches.items():
        value = _best({one: mean_validation(trials) for one, trials in found.items()}, prefer)
        if value is None:
            why = first_failure(trial for trials in found.values() for trial in trials)
            failures.append(f"{search.task}, {search.criterion}: every value has a failed trial: {why}")
            continue
        choice = _choice(search, value, found, grid)
        store.write_json(search.path, choice.model_dump(mode="json"))
        choices.append(choice)
    if failures:
        written = ", ".join(f"{one.task} {one.criterion} {one.value:g}" for one in choices)
        raise UserError("; ".join([*failures, *([f"choices written for the others: {written}"] if written else [])]))
    return choices


def _choice(search: Search, value: float, found: Found, grid: Grid) -> Choice:
    return Choice(
        task=search.task,
        criterion=search.criterion,
        value=value,
        validation={f"{one:g}": mean_validation(trials) for one, trials in found.items()},
        metric=grid.spec.keep.metric,
        keeps=grid.spec.keep.fractions,
        seeds=parse_seeds(grid.spec.seeds),
        trials=sum(map(len, found.values())),
        seconds=total_seconds(trial for trials in found.values() for trial in trials),
        overlap={f"{one:g}": mean_overlap(trials) for one, trials in found.items()},
        ineffective=tuple(one for one, trials in found.items() if any(trial.ineffective for trial in trials)),
    )


def _best(means: Mapping[float, float | None], prefer: Callable[[float, list[float]], Any]) -> float | None:
    known = {value: mean for value, mean in means.items() if mean is not None}
    if not known:
        return None
    equal = [value for value, mean in known.items() if mean == max(known.values())]
    return min(equal, key=lambda value: prefer(value, list(means)))


def mean_validation(trials: Sequence[Trial]) -> float | None:
    """Average the validation accuracy of trials; None where a trial failed."""
    known = [trial.validation for trial in trials if trial.validation is not None]
    return sum(known) / len(known) if known and len(known) == len(trials) else None


def mean_overlap(trials: Sequence[Trial]) -> float | None:
    """Average the overlap of the removed units with those of plain training; None where it is unknown."""
    known = [trial.overlap for trial in trials if trial.overlap is not None]
    return sum(known) / len(known) if known else None


def total_seconds(trials: Iterable[Trial]) -> float:
    """Sum the seconds of trials; a shared stage counts once."""
    return sum({key: took for trial in trials for key, took in trial.seconds.items()}.values())


def first_failure(trials: Iterable[Trial]) -> str:
    """Return the alphabetically first reason why trials failed."""
    return min((trial.reason for trial in trials if trial.reason), default="no trial was run")


def marked_percent(accuracy: float | None, marks: str = "") -> str:
    """Format an accuracy in %, followed by marks.

    >>> marked_percent(0.5, "*"), marked_percent(0.5), marked_percent(None)
    ('50.00 *', '50.00', 'failed')
    """
    return "failed" if accuracy is None else f"{100 * accuracy:.2f} {marks}".rstrip()
