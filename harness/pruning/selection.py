"""Choose the units to remove for a budget; a single weight counts as a unit here.

Every ranking puts the removable units in one order. Units are removed from the front until the budget is met; bisection
on the analytic cost finds how many. So the achieved keep is at most the requested keep, also with tied scores, and
removing one unit less would exceed the requested keep. Equal scores are in no order: a seeded draw decides.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunebench.errors import CellError, UserError, check_choice
from prunebench.pruning.cost import Costs
from prunebench.pruning.masks import KeptWeights
from prunebench.pruning.network import Network, Signature, signatures, why_kept
from prunebench.records.budget import Keep
from prunebench.records.names import ScoreNorm, ScoreRanking
from prunebench.seeding import generator

PER = ("per-cost", "per-memory")  # rankings that divide a score by the cost that the removal saves
Pool = Network | KeptWeights  # `kept` holds the units to choose from
Ints = NDArray[np.int64]
Lot = Callable[[str], torch.Generator]  # by group, so that the draw of a group depends on no other group
BLOCK = 2**16
FIRST_LOT: Lot = partial(generator, 0, "ties")


@dataclass(frozen=True)
class Ranking:
    """How units of different layers are put in one order.

    ``local``: all groups keep the same share of their units. ``global``: all units by score.
    ``isomorphic``: units of groups with the same structure by score; every set of such groups keeps the same share.
    ``per-cost``: all units by score divided by the cost (MACs or parameters) that removing the unit saves.
    ``per-memory``: all units by score divided by the bytes of the unit's feature maps.
    `normalise` divides a layer's scores by their l2 norm, mean or maximum before layers are compared. ``standard``
    subtracts their mean and divides by their standard deviation.
    """

    name: ScoreRanking = "local"
    normalise: ScoreNorm = "none"

    def __post_init__(self) -> None:
        check_choice("a published ranking", "ranking", self.name, get_args(ScoreRanking))
        check_choice("a published ranking", "normalise", self.normalise, get_args(ScoreNorm))


@dataclass(frozen=True)
class Rule:
    """How units are ranked, and which units stay whatever their scores.

    floor: share of its dense units that every group keeps (at least one unit).
    round_to: groups are cut to multiples of this number.
    skip: groups that are not pruned.
    vanish: whether groups may lose all their units.
    """

    ranking: Ranking = Ranking()
    floor: float = 0.1
    round_to: int = 1
    skip: frozenset[str] = frozenset()
    vanish: bool = False


@dataclass(frozen=True, eq=False)
class Selection:
    """Original numbers of the units to remove, by group. keep: achieved, by metric. floors: groups at their floor."""

    remove: dict[str, Tensor]
    keep: dict[str, float]
    floors: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Steps:
    """The steps that narrow one group down to its floor; all fields (steps,).

    Steps of all groups are taken in the order of score, then ratio, then the order of the groups given. widths: after
    each step.
    """

    score: NDArray[np.float64]
    ratio: NDArray[np.float64]
    widths: Ints


def select(
    scores: Mapping[str, Tensor],
    pool: Pool,
    costs: Costs,
    keep: Keep,
    rule: Rule,
    *,
    lot: Lot = FIRST_LOT,
) -> Selection:
    """Choose the units to remove from a network so that it meets a budget.

    Under `local`, all groups keep the same share of their dense units, to within one unit. Scores decide only which
    units of a group stay. Under `isomorphic`, the same holds for sets of groups with one structure. Otherwise units are
    removed by score. `per-cost` divides a score by the part of the budget that removing one unit from the given network
    saves. `per-memory` divides it by the bytes of the feature maps. Low scores go first. Units of a group with equal
    scores go in a drawn order. Equal scores of different groups follow `local`, then a drawn order of the groups.
    Scores without ties depend on no draw.

    Args:
        scores: by group, (remaining units,); low = remove first.
        pool: a network, dense or already pruned, or its single weights.
        costs: of the dense network; the budget is a fraction of its cost.
        keep: the budget.
        rule: how units are ranked.
        lot: makes the generator of a group's draws, on the CPU.

    Raises:
        CellError: scores are missing or not finite, or negative under `per-cost` or `per-memory`.
        UserError: floors, rounding and skipped groups make the budget impossible.
    """
    for group, kept in pool.kept.items():
        if group not in rule.skip:
            _check(group, scores.get(group), len(kept), rule)
    draws = {group: lot(group) for group in pool.kept}
    turns = {group: float(torch.rand((), generator=draw)) for group, draw in draws.items()}
    steps = _steps(scores, pool, costs, keep, rule)
    if rule.ranking.name != "local":  # there, widths depend on the budget alone
        drawn = {group: steps[group] for group in sorted(steps, key=turns.__getitem__)}
        steps = _shared(drawn, pool, costs) if rule.ranking.name == "isomorphic" else drawn
    order = _order(list(steps.values()))
    taken = _counter(order, len(steps))

    def after(number: int) -> dict[str, int]:
        done = {g: int(s.widths[n - 1]) for (g, s), n in zip(steps.items(), taken(number), strict=True) if n}
        return {group: len(kept) for group, kept in pool.kept.items()} | done

    def share(number: int) -> float:
        return costs.shares(after(number))[keep.metric]

    limit = keep.fraction * (1 + 1e-9)
    if share(len(order)) > limit:
        least = share(len(order))
        if rule.vanish:
            raise UserError(f"keep {keep} cannot be reached: what is no block leaves at least {least:.4f}; give more")
        fixed = "".join(f", and {text}" for text in why_kept(pool.table.fixed)[:1]) if isinstance(pool, Network) else ""
        raise UserError(f"keep {keep} cannot be reached: floors leave at least {least:.4f}{fixed}; give a larger keep")
    units = after(bisect_left(range(len(order)), True, key=lambda number: share(number) <= limit))
    at_floor = (g for g, n in costs.counts.items() if g not in rule.skip and units[g] <= lowest(n, rule))
    floors = () if rule.vanish else tuple(at_floor)
    return Selection(_lowest(scores, pool, units, draws), costs.shares(units), floors)


def random_like(counts: Mapping[str, int], pool: Pool, draws: torch.Generator) -> dict[str, Tensor]:
    """Choose random units to remove, by group, so that each group keeps the given number of units.

    draws: a generator on the CPU. Raises `ValueError` if a group has fewer units than it shall keep.
    """
    result = {}
    for group, kept in pool.kept.items():
        surplus = len(kept) - counts.get(group, len(kept))
        if surplus < 0:
            raise ValueError(f"group '{group}' has {len(kept)} units and cannot keep {counts[group]}")
        result[group] = kept[torch.randperm(len(kept), generator=draws)[:surplus]].sort().values
    return result


def _check(group: str, scores: Tensor | None, units: int, rule: Rule) -> None:
    if scores is None or scores.shape != (units,):
        given = "none" if scores is None else f"shape {tuple(scores.shape)}"
        raise CellError(f"group '{group}' has {units} units and needs one score for each, got {given}")
    if not scores.isfinite().all():
        raise CellError(f"group '{group}' has scores that are not finite")
    if rule.ranking.name in PER and bool((scores < 0).any()):
        raise CellError(
            f"group '{group}' has negative scores; ranking {rule.ranking.name} divides scores by costs and needs "
            "scores of at least zero"
        )


def lowest(units: int, rule: Rule) -> int:
    """Give the smallest width that a group of `units` dense units may be cut to.

    >>> lowest(20, Rule()), lowest(3, Rule()), lowest(20, Rule(round_to=8))
    (2, 1, 8)
    """
    if rule.vanish:
        return 0
    floor = max(1, math.ceil(rule.floor * units - 1e-9))
    return min(units, -(-floor // rule.round_to) * rule.round_to)


def _steps(scores: Mapping[str, Tensor], pool: Pool, costs: Costs, keep: Keep, rule: Rule) -> dict[str, _Steps]:
    widths = {group: len(kept) for group, kept in pool.kept.items()}
    metric = "memory" if rule.ranking.name == "per-memory" else keep.metric
    saving = costs.saving(widths, metric) if rule.ranking.name in PER else {}
    return {
        group: _steps_of(scores[group], saving.get(group, 1), widths[group], units, rule)
        for group, units in costs.counts.items()
        if group not in rule.skip
    }


def _steps_of(scores: Tensor, saving: int, width: int, units: int, rule: Rule) -> _Steps:
    first = (width - 1) // rule.round_to * rule.round_to
    targets = np.arange(first, lowest(units, rule) - 1, -rule.round_to)
    before = np.concatenate([[width], targets[:-1]])[: len(targets)]
    # The share of the dense units at which rounding switches from the previous width to this one.
    ratio = -(targets + 0.5 * (before - targets)) / units
    if rule.ranking.name == "local" or not len(targets):
        return _Steps(np.full(len(targets), -math.inf), ratio, targets)
    ranked = torch.from_numpy(np.sort(_comparable(scores, rule).numpy()))  # faster than torch's
    ranked = ranked / saving if rule.ranking.name in PER else ranked
    if rule.round_to == 1:
        return _Steps(ranked[: len(targets)].numpy(), ratio, targets)
    # Units that one step removes together are ranked by their mean score.
    means = [float(ranked[width - b : width - t].mean()) for b, t in zip(before, targets, strict=True)]
    return _Steps(np.array(means, dtype=np.float64), ratio, targets)


def _shared(steps: dict[str, _Steps], pool: Pool, costs: Costs) -> dict[str, _Steps]:
    """Let isomorphic groups share their steps: the lowest score is first among them, and all sets narrow alike."""
    if not isinstance(pool, Network):
        raise ValueError("isomorphic groups are groups of a network's units")
    signature, sets = signatures(pool), dict[Signature, dict[str, _Steps]]()
    for group, own in steps.items():
        sets.setdefault(signature[group], {})[group] = own
    ratios: dict[str, NDArray[np.float64]] = {}
    for members in sets.values():
        order = _order(list(members.values()))
        widths = [len(pool.kept[group]) for group in members]
        sizes = [-np.diff(one.widths, prepend=width) for one, width in zip(members.values(), widths, strict=True)]
        taken = np.empty(len(order), dtype=np.int64)  # by each step of the order
        for place, size in enumerate(sizes):
            taken[order == place] = size
        left = sum(widths) - np.cumsum(taken)
        ratio = -(left + 0.5 * taken) / sum(costs.counts[group] for group in members)
        ratios |= {group: ratio[order == place] for place, group in enumerate(members)}
    return {g: _Steps(np.full(len(ratios[g]), -math.inf), ratios[g], steps[g].widths) for g in pool.kept if g in steps}


def _order(steps: list[_Steps]) -> Ints:
    """Put the steps of all groups in one order; returns the number of each step's group."""
    place = np.repeat(np.arange(len(steps)), [len(step.widths) for step in steps])
    score, ratio = (
        np.concatenate([np.empty(0), *columns]) for columns in ([s.score for s in steps], [s.ratio for s in steps])
    )
    order = np.argsort(score)  # faster than lexsort, which only ties need
    ranked = score[order]
    same = ranked[1:] == ranked[:-1]
    tied = np.append(same, False) | np.append(False, same)
    among = np.sort(order[tied[: len(order)]])
    order[tied[: len(order)]] = among[np.lexsort((ratio[among], score[among]))]
    return place[order]


def _counter(order: Ints, groups: int) -> Callable[[int], Ints]:
    """Prepare to count the first steps of an order by group: blocks of the order are counted once."""
    blocks = [np.bincount(order[start : start + BLOCK], minlength=groups) for start in range(0, len(order), BLOCK)]
    before = np.cumsum([np.zeros(groups, dtype=np.int64), *blocks], axis=0)

    def taken(number: int) -> Ints:
        start = number // BLOCK
        counts: Ints = before[start] + np.bincount(order[start * BLOCK : number], minlength=groups)
        return counts

    return taken


def _comparable(scores: Tensor, rule: Rule) -> Tensor:
    values, how = as_ranked(scores), rule.ranking.normalise
    if how == "standard":  # equal scores differ from their mean by rounding alone
        values = values - values.mean() if values.max() > values.min() else torch.zeros_like(values)
    norms = {
        "none": 1.0,
        "l2": values.norm(),
        "mean": values.abs().mean(),
        "max": values.abs().max(),
        "standard": values.square().mean().sqrt(),
    }
    norm = float(norms[how])
    return values / norm if norm > 0 else values


def _lowest(
    scores: Mapping[str, Tensor], pool: Pool, after: Mapping[str, int], draws: Mapping[str, torch.Generator]
) -> dict[str, Tensor]:
    removed = {}
    for group, kept in pool.kept.items():
        surplus = len(kept) - after[group]
        if surplus:
            removed[group] = kept[_lowest_of(as_ranked(scores[group]), surplus, draws[group])]
    return removed


def _lowest_of(scores: Tensor, number: int, draw: torch.Generator) -> Tensor:
    """Mark the lowest scores; a draw decides among those that are equal to the highest of them. bool (units,)."""
    last = scores.kthvalue(number).values
    low, tied = scores < last, scores == last
    missing = number - int(low.sum())
    if missing < int(tied.sum()):
        shuffled = torch.randperm(len(scores), generator=draw)
        low[shuffled[tied[shuffled]][:missing]] = True
        return low
    return low | tied


def as_ranked(scores: Tensor) -> Tensor:
    """Give scores in the precision in which units are compared."""
    return scores.detach().to("cpu", torch.float64)
