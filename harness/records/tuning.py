"""What `prunebench tune` found, as it is written into the results folder. Torch-free."""

from pathlib import Path

from prunebench.records.files import read_json
from prunebench.records.record import Frozen, validated


class Tuning(Frozen):
    """What a tuning found. validation: mean accuracy by strength, None where a trial failed.

    strength: the best one. ineffective: those that did nothing, the term fell by less than 5 % in some trial. keeps and
    seeds: those it was averaged over. trials: strengths, seeds and keeps that were trained. seconds: of their training,
    behind the dense networks.
    """

    task: str
    criterion: str
    strength: float
    validation: dict[str, float | None]
    metric: str
    keeps: tuple[float, ...]
    seeds: tuple[int, ...]
    trials: int
    seconds: float
    ineffective: tuple[float, ...] = ()

    @property
    def at_an_end(self) -> bool:
        """Tell whether the best strength is the lowest or the highest one tried."""
        tried = [float(text) for text in self.validation]
        return self.strength in (min(tried), max(tried))


def read_tuning(path: Path) -> Tuning:
    """Read what a tuning found."""
    return validated(Tuning, read_json(path), str(path))
