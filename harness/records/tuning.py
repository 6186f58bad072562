"""A setting that was chosen on validation pictures, as the results folder keeps it. Torch-free."""

from pathlib import Path

from prunebench.records.files import read_json
from prunebench.records.record import Frozen, validated


class Choice(Frozen):
    """A setting that was chosen for one criterion on one task: a fine-tuning rate, or a regulariser's strength.

    criterion: `random` where the choice is a fine-tuning rate. value: the best one. validation: mean accuracy by
    value, None where a trial failed. metric, keeps, seeds: what the accuracy was averaged over. trials: values times
    seeds times keeps that were trained. seconds: of their training behind the dense networks. ineffective: strengths
    that did nothing, since the term fell by less than 5 % in at least one trial.
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
        """Tell whether the best value is the lowest or the highest one tried."""
        tried = [float(text) for text in self.validation]
        return self.value in (min(tried), max(tried))


def read_choice(path: Path) -> Choice:
    """Read a choice. Raises `UserError` where the file cannot be read."""
    return validated(Choice, read_json(path), str(path))
