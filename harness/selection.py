"""Which units to remove for a budget.

Whatever the ranking, the units that may go are put in one order of removal and the shortest beginning of that order
that meets the budget is taken, found by bisection on the analytic cost. So the achieved keep is at most the request and
one unit fewer removed would be above it, tied scores or not.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from prunebench.cost import CostModel
from prunebench.criterion import Normalise
from prunebench.errors import CellError, UserError, unknown
from prunebench.network import Network
from prunebench.record import Cost

METRICS = ("macs", "params", "units")


@dataclass(frozen=True)
class Budget:
    """What may be kept: a fraction in (0, 1] of the dense network's MACs, parameters or units."""

    metric: str
    keep: float

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise unknown("budget metric", self.metric, METRICS)
        if not 0 < self.keep <= 1:
            raise UserError(f"keep {self.metric}={self.keep:g} must be in (0, 1]")


@dataclass(frozen=True)
class Rule:
    """How units are ranked; see `prunebench.criterion.Ranking` for name and normalise.

    floor: share of its dense units that a group never falls below (and at least one unit). round_to: groups are cut to
    multiples of this. skip: groups that are not pruned.
    """

    name: Literal["local", "per-cost", "global"] = "local"
    normalise: Normalise = "none"
    floor: float = 0.1
    round_to: int = 1
    skip: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class Selection:
    """What to remove: original unit numbers by group. keep: achieved fractions by metric. floors: groups at theirs."""

    remove: dict[str, Tensor]
    keep: dict[str, float]
    floors: tuple[str, ...]


@dataclass(frozen=True, order=True)
class _Step:
    """Narrow a group to `width` units. Sorted: steps are taken in this order."""

    score: float
    ratio: float
    place: int
    group: str
    width: int


def select(scores: Mapping[str, Tensor], network: Network, costs: CostModel, budget: Budget, rule: Rule) -> Selection:
    """Choose the units to remove from a network so that it meets a budget.

    `local`: groups are narrowed so that all keep the same share of their dense units, to within one unit; only the
    budget decides how many units a group keeps. `global` and `per-cost`: units go by score, for `per-cost` divided by
    what removing one unit from the network as it is saves. Within a group low scores go first, of equal ones the
    highest number; between groups equal scores go as under `local`.

    Args:
        scores: by group, (units still there,), low = remove first.
        network: dense or already pruned.
        costs: of the dense network, which the budget is a fraction of.
        budget: what may be kept.
        rule: how units are ranked.

    Raises:
        CellError: scores that are missing or not finite, or negative under `per-cost`.
        UserError: floors, rounding and skipped groups make the budget impossible.
    """
    for group, kept in network.kept.items():
        if group not in rule.skip:
            _check(group, scores.get(group), len(kept), rule)
    steps = sorted(_steps(scores, network, costs, budget, rule))
    limit = budget.keep * getattr(costs.dense, budget.metric) * (1 + 1e-9)

    def price(number: int) -> float:
        return float(getattr(costs.cost(_after(network, steps[:number])), budget.metric))

    if price(len(steps)) > limit:
        least = price(len(steps)) / getattr(costs.dense, budget.metric)
        raise UserError(f"keep {budget.metric}={budget.keep:g} cannot be reached: floors leave at least {least:.4f}")
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if price(middle) <= limit else (middle + 1, high)
    after = _after(network, steps[:low])
    return Selection(_lowest(scores, network, after), _keep(costs, after), _at_floor(network, after, rule))


def random_like(counts: Mapping[str, int], network: Network, generator: torch.Generator) -> dict[str, Tensor]:
    """Choose units at random so that groups keep the given numbers of units; gives what to remove.

    generator: on the CPU. Raises `ValueError` where a group has fewer units than it is to keep.
    """
    result = {}
    for group, kept in network.kept.items():
        surplus = len(kept) - counts.get(group, len(kept))
        if surplus < 0:
            raise ValueError(f"group '{group}' has {len(kept)} units and cannot keep {counts[group]}")
        result[group] = kept[torch.randperm(len(kept), generator=generator)[:surplus]].sort().values
    return result


def _check(group: str, scores: Tensor | None, units: int, rule: Rule) -> None:
    if scores is None or scores.shape != (units,):
        given = "none" if scores is None else f"shape {tuple(scores.shape)}"
        raise CellError(f"group '{group}' has {units} units and needs as many scores, got {given}")
    if not scores.isfinite().all():
        raise CellError(f"group '{group}' has scores that are not finite")
    if rule.name == "per-cost" and bool((scores < 0).any()):
        raise CellError(f"group '{group}' has negative scores: divided by a cost they would keep the expensive units")


def lowest(units: int, rule: Rule) -> int:
    """Give the width that a group of `units` dense units never falls below.

    >>> lowest(20, Rule()), lowest(3, Rule()), lowest(20, Rule(round_to=8))
    (2, 1, 8)
    """
    floor = max(1, math.ceil(rule.floor * units - 1e-9))
    return min(units, -(-floor // rule.round_to) * rule.round_to)


def _steps(
    scores: Mapping[str, Tensor], network: Network, costs: CostModel, budget: Budget, rule: Rule
) -> Iterator[_Step]:
    """List what may be done to the groups, one step for each width on the way down to the floor."""
    saving = costs.saving(network.units, budget.metric)
    for place, group in enumerate(network.table.groups):
        if group.name in rule.skip:
            continue
        width = len(network.kept[group.name])
        ranked = _comparable(scores[group.name], rule).sort().values
        if rule.name == "per-cost":
            ranked = ranked / saving[group.name]
        while (target := (width - 1) // rule.round_to * rule.round_to) >= lowest(group.units, rule):
            done = len(ranked) - width
            # Units that go together count with their mean; `local` goes by the ratio alone.
            score = -math.inf if rule.name == "local" else float(ranked[done : done + width - target].mean())
            # The share of the dense units at which rounding turns from the width before to this one.
            yield _Step(score, -(target + 0.5 * (width - target)) / group.units, place, group.name, target)
            width = target


def _comparable(scores: Tensor, rule: Rule) -> Tensor:
    values = scores.detach().to("cpu", torch.float64)
    norms = {"none": 1.0, "l2": values.norm(), "mean": values.abs().mean(), "max": values.abs().max()}
    norm = float(norms[rule.normalise])
    return values / norm if norm > 0 else values


def _after(network: Network, steps: list[_Step]) -> dict[str, int]:
    return network.units | {step.group: step.width for step in steps}


def _lowest(scores: Mapping[str, Tensor], network: Network, after: Mapping[str, int]) -> dict[str, Tensor]:
    removed = {}
    for group, kept in network.kept.items():
        surplus = len(kept) - after[group]
        if surplus:
            backwards = scores[group].detach().to("cpu", torch.float64).flip(0).argsort(stable=True)[:surplus]
            removed[group] = kept[len(kept) - 1 - backwards].sort().values
    return removed


def _keep(costs: CostModel, units: Mapping[str, int]) -> dict[str, float]:
    cost: Cost = costs.cost(units)
    return {metric: getattr(cost, metric) / getattr(costs.dense, metric) for metric in METRICS}


def _at_floor(network: Network, after: Mapping[str, int], rule: Rule) -> tuple[str, ...]:
    groups = [group for group in network.table.groups if group.name not in rule.skip]
    return tuple(group.name for group in groups if after[group.name] <= lowest(group.units, rule))
