"""What plain options say of the points of a results folder."""

from dataclasses import dataclass, fields
from shlex import quote


@dataclass(frozen=True)
class Named:
    """What a user says of the points that are meant; an empty text means any.

    keep: `0.5`, or `macs=0.5` where a folder has budgets of several metrics. protocol: options that tell it from the
    others of the task, such as `repair=bias`, or its number in a report. units: what was removed: filters, blocks or
    weights.
    """

    dataset: str = ""
    model: str = ""
    criterion: str = ""
    keep: str = ""
    seed: str = ""
    ranking: str = ""
    units: str = ""
    protocol: str = ""

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))

    def __str__(self) -> str:
        given = ((one.name, getattr(self, one.name)) for one in fields(self))
        return " ".join(f"--{name} {quote(value)}" for name, value in given if value)
