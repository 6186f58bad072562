"""How sure the choice of the removed units was: ties between scores, and the error that random draws cause."""

from collections.abc import Sequence

from pydantic import model_validator

from prunebench.records.validation import Amount, Count, Frozen, Name


class SelectionFacts(Frozen):
    """How sure the scores were, in one cut or in all cuts that lead to a point.

    Where single weights are removed, a group is a layer and a unit is a weight.

    groups: number of groups to choose from. removed: units removed. constant: groups whose remaining units had one
    score, so that their units went by lot. by_lot: removed units whose score equals that of a kept unit of their group.

    The other fields are there where a score draws random numbers. Then the same network was scored again with other
    draws. error: relative standard error of one scoring, median over groups, at the last cut. within_error: removed
    units whose score lies within this error of a kept unit of their group. otherwise: removed units that the second
    scores would have kept.
    """

    groups: Count
    removed: Count
    constant: tuple[Name, ...] = ()
    by_lot: Count = 0
    error: Amount | None = None
    within_error: Count | None = None
    otherwise: Count | None = None

    @model_validator(mode="after")
    def _check(self) -> "SelectionFacts":
        if len(self.constant) > self.groups or len(set(self.constant)) < len(self.constant):
            raise ValueError(f"constant: {len(self.constant)} groups are named, of {self.groups} different ones")
        for name in ("by_lot", "within_error", "otherwise"):
            number = getattr(self, name)
            if number is not None and number > self.removed:
                raise ValueError(f"{name}: {number} units, but {self.removed} were removed")
        if len({value is None for value in (self.error, self.within_error, self.otherwise)}) > 1:
            raise ValueError("error, within_error and otherwise: give all three or none")
        return self


def joined(cuts: Sequence[SelectionFacts]) -> SelectionFacts | None:
    """Join the facts of successive cuts: units add up, a group is constant if it was so in any cut.

    >>> rung = SelectionFacts(groups=2, removed=3, constant=("fc",), by_lot=1)
    >>> both = joined([rung, SelectionFacts(groups=2, removed=4)])
    >>> both.removed, both.by_lot, both.constant
    (7, 1, ('fc',))
    """
    if not cuts:
        return None
    drawn = [cut for cut in cuts if cut.error is not None]
    return SelectionFacts(
        groups=max(cut.groups for cut in cuts),
        removed=sum(cut.removed for cut in cuts),
        constant=tuple(dict.fromkeys(group for cut in cuts for group in cut.constant)),
        by_lot=sum(cut.by_lot for cut in cuts),
        error=drawn[-1].error if drawn else None,
        within_error=sum(cut.within_error or 0 for cut in drawn) if drawn else None,
        otherwise=sum(cut.otherwise or 0 for cut in drawn) if drawn else None,
    )
