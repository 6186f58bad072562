"""How sure a selection is: ties between the scores of a group, and the error that random draws leave in the scores."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

from prunebench.pruning.selection import Pool, Rule, Selection, as_ranked
from prunebench.records.selection import SelectionFacts


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores, (remaining units,) by group, and the units that they chose to remove."""

    scores: Mapping[str, Tensor]
    selection: Selection

    def removed(self, group: str) -> Tensor:
        """Original numbers of a group's removed units, rising."""
        return self.selection.remove.get(group, torch.empty(0, dtype=torch.long))


def selection_facts(first: Scored, pool: Pool, rule: Rule, second: Scored | None = None) -> SelectionFacts:
    """State how sure a selection is. second: the same from an independent scoring, where the score draws.

    A group of one unit is never called constant. Groups that the rule skips are left out.
    """
    there = [group for group, kept in pool.kept.items() if group not in rule.skip and len(kept)]
    ranked = {group: as_ranked(first.scores[group]).sort().values for group in there}
    gone = {group: len(first.removed(group)) for group in ranked}
    facts = SelectionFacts(
        groups=len(ranked),
        removed=sum(gone.values()),
        constant=tuple(group for group, values in ranked.items() if len(values) > 1 and bool(values[0] == values[-1])),
        by_lot=sum(_reaching(values, gone[group], 0.0) for group, values in ranked.items()),
    )
    if second is None:
        return facts
    errors = {group: DrawError.between(first.scores[group], second.scores[group]) for group in ranked}
    within = {group: _reaching(v, gone[group], errors[group].of(v[: gone[group]])) for group, v in ranked.items()}
    changed = {group: int((~torch.isin(first.removed(group), second.removed(group))).sum()) for group in ranked}
    shares = [errors[group].share for group in ranked]
    update = {
        "error": median(shares) if shares else 0.0,
        "within_error": sum(within.values()),
        "otherwise": sum(changed.values()),
    }
    return SelectionFacts.model_validate(facts.model_dump() | update)


@dataclass(frozen=True)
class DrawError:
    """Standard error of the scores of a group that random draws cause.

    relative: whether `size` is a share of a unit's score, else it is in units of the score. share: the error as a
    share of the scores, in both cases.
    """

    size: float
    relative: bool
    share: float

    @classmethod
    def between(cls, first: Tensor, second: Tensor) -> "DrawError":
        """Estimate the error of one scoring from two independent ones, (units,); the variance of a difference is twice.

        The root mean square over the units is taken of relative differences where no score is negative. Units of score
        zero are left out there.

        >>> DrawError.between(torch.tensor([1.0, 10.0]), torch.tensor([3.0, 10.0]))  # differences of 1 and 0 means
        DrawError(size=0.4999..., relative=True, share=0.4999...)
        """
        a, b = as_ranked(first), as_ranked(second)
        difference, mean = (a - b) / math.sqrt(2), (a + b) / 2
        if not bool((torch.minimum(a, b) < 0).any()):
            size = _root_mean_square((difference / mean)[mean > 0])
            return cls(size, True, size)
        size, scale = _root_mean_square(difference), _root_mean_square(mean)
        return cls(size, False, size / scale if scale else 0.0)

    def of(self, scores: Tensor) -> Tensor:
        """Give the error of each score: (units,)."""
        return scores * self.size if self.relative else torch.full_like(scores, self.size)


def _reaching(ranked: Tensor, gone: int, error: Tensor | float) -> int:
    """Count the removed units whose score with its error reaches the lowest kept one. ranked: rising, first removed."""
    return int((ranked[:gone] + error >= ranked[gone]).sum()) if 0 < gone < len(ranked) else 0


def _root_mean_square(values: Tensor) -> float:
    return float(values.square().mean().sqrt()) if len(values) else 0.0
