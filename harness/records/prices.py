"""What scores and repairs cost, as `pytest benchmarks/` measures it beside a plain forward-backward pass."""

from typing import Literal

from prunebench.records.validation import Above0, Count, Frozen, Name, Positive


class Price(Frozen):
    """Cost of one call on one model.

    pictures: number that the call reads. plain: of a forward-backward pass over the same pictures. ratio: seconds over
    plain seconds. peak bytes: None where they cannot be read.
    """

    model: Name
    pictures: Positive
    seconds: Above0
    plain_seconds: Above0
    ratio: Above0
    peak_bytes: Count | None = None
    plain_peak_bytes: Count | None = None


class ScorePrice(Price):
    """Cost of one scoring of all units. needs: passes that the evidence takes."""

    criterion: Name
    needs: tuple[Name, ...]


class RepairPrice(Price):
    """Cost of one repair after half of the units of every group were cut."""

    repair: Name


class Growth(Frozen):
    """How many times as long a score or repair takes with four times as many pictures, and as many units per layer.

    plain: the same of a forward-backward pass.
    """

    what: Literal["score", "repair"]
    name: Name
    pictures: Above0
    plain_pictures: Above0
    units: Above0
    plain_units: Above0
