"""What sparse training did: to the regulariser's term, to gates, to pushed units, and to the choice of units."""

from typing import Annotated

from pydantic import Field, model_validator

from prunebench.records.validation import Count, Fraction, Frozen, Name, Positive


class SparseFacts(Frozen):
    """Effect of sparse training on the regulariser's term.

    before, after: the term. gradient_ratio: gradient norm of the term over that of the loss, by layer, at the start.
    acted_on: share of the ranked units at whose own weights, BatchNorm or gate the term pulls at the start. gates:
    number of units by the probability that their gate is open, in ten bins over [0, 1], by coupled group.
    """

    before: float
    after: float
    gradient_ratio: dict[Name, float]
    acted_on: Fraction
    gates: dict[Name, Annotated[tuple[Count, ...], Field(min_length=10, max_length=10)]] = Field(default_factory=dict)


class PushedUnits(Frozen):
    """Numbers of units: before the cuts, pushed to zero by sparse training, cut, and both pushed and cut."""

    units: Positive
    pushed: Count
    cut: Count
    both: Count

    @model_validator(mode="after")
    def _check(self) -> "PushedUnits":
        least, most = max(0, self.pushed + self.cut - self.units), min(self.pushed, self.cut)
        for name in ("pushed", "cut"):
            if getattr(self, name) > self.units:
                raise ValueError(f"{name}: {getattr(self, name)} of {self.units} units")
        if not least <= self.both <= most:
            given = f"with {self.pushed} pushed and {self.cut} cut of {self.units}"
            raise ValueError(f"both: {self.both}, but from {least} to {most} is possible {given}")
        return self


class ChoiceChange(Frozen):
    """How far sparse training changed which units are removed.

    Both networks, trained with and without the regulariser, are ranked by the same score and cut once to the point's
    keep. overlap: share of the removed units that are removed without the regulariser, too. by_chance: the overlap that
    random units of each group would have.
    """

    overlap: Fraction
    by_chance: Fraction

    @property
    def agreement(self) -> float:
        """Overlap beyond chance, Cohen's kappa: 1 for the same units, 0 for unrelated choices.

        >>> round(ChoiceChange(overlap=0.9, by_chance=0.5).agreement, 3)
        0.8
        """
        return 1.0 if self.by_chance == 1 else (self.overlap - self.by_chance) / (1 - self.by_chance)

    @property
    def unchanged(self) -> bool:
        """Tell whether the choice is almost plain training's: overlap 0.9 or more, agreement 0.8 or more."""
        return self.overlap >= 0.9 and self.agreement >= 0.8


UNCHANGED = "the choice of units hardly changed; where it cannot be compared, the term fell by less than 5 %"


def did_nothing(sparse: SparseFacts | None, change: ChoiceChange | None) -> bool:
    """Tell whether a regulariser hardly changed the choice of units or, where this is unknown, its own term."""
    if change is not None:
        return change.unchanged
    return sparse is not None and sparse.after > 0.95 * sparse.before
