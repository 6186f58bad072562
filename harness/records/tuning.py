"""A setting chosen on validation pictures, as the results folder stores it. Torch-free."""

import math
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from prunebench.records.names import Metric
from prunebench.records.store_files import read_json
from prunebench.records.validation import Amount, Count, Fraction, Frozen, Name, Share, validated

CHOICES = "choices"  # their folder in a results folder


def _by_number(validation: dict[str, float | None]) -> dict[str, float | None]:
    for text in validation:
        if not math.isfinite(float(text)):
            raise ValueError(f"'{text}' is not a number that was tried")
    return validation


class Choice(Frozen):
    """A setting chosen for one criterion on one task: a fine-tuning rate, or a regulariser's strength.

    criterion: `random` for a fine-tuning rate. value: the best value. validation: mean accuracy by value, None where a
    trial failed. metric, keeps, seeds: of the trials that the accuracy is averaged over. trials: number of values times
    seeds times keeps. seconds: training time of the trials, without dense training. overlap: mean share of the removed
    units that plain training would remove, too, by value; None where unknown. ineffective: strengths that did nothing
    in at least one trial.
    """

    task: Name
    criterion: Name
    value: Amount
    validation: Annotated[dict[Name, Fraction | None], Field(min_length=1), AfterValidator(_by_number)]
    metric: Metric
    keeps: tuple[Share, ...]
    seeds: tuple[Count, ...]
    trials: Count
    seconds: Amount
    overlap: dict[Name, Fraction | None] = Field(default_factory=dict)
    ineffective: tuple[Amount, ...] = ()

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
