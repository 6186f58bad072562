"""A setting chosen on validation pictures, as the results folder stores it. Torch-free."""

from pathlib import Path

from prunebench.records.record import Frozen, validated
from prunebench.records.store_files import read_json

CHOICES = "choices"  # their folder in a results folder


class Choice(Frozen):
    """A setting chosen for one criterion on one task: a fine-tuning rate, or a regulariser's strength.

    criterion: `random` for a fine-tuning rate. value: the best value. validation: mean accuracy by value, None where a
    trial failed. metric, keeps, seeds: of the trials that the accuracy is averaged over. trials: number of values times
    seeds times keeps. seconds: training time of the trials, without dense training. ineffective: strengths that did
    nothing: the term fell by less than 5 % in at least one trial.
    """

    task: str
    criterion: str
    value: float
    validation: dict[str, float | None]
    metric: str
    keeps: tuple[float, ...]
    seeds: tuple[int, ...]
    trials: int
    seconds: float
    ineffective: tuple[float, ...] = ()

    @property
    def at_an_end(self) -> bool:
        """Tell whether the best value is the lowest or the highest value tried."""
        tried = [float(text) for text in self.validation]
        return self.value in (min(tried), max(tried))


def read_choice(path: Path) -> Choice:
    """Read a choice. Raises `UserError` where the file cannot be read."""
    return validated(Choice, read_json(path), str(path))


def read_tunings(results: Path) -> tuple[Choice, ...]:
    """Read the strengths that were chosen in a results folder."""
    return tuple(read_choice(path) for path in sorted((results / CHOICES).glob("strength-*.json")))
