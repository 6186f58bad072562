"""Scores of the units of every group, computed batch by batch in memory of the size of the parameters."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from inspect import signature

import torch
from torch import Tensor

from prunebench.errors import CellError, kind_of
from prunebench.plugins.criterion import AnyCriterion, Criterion, ModelScore
from prunebench.plugins.guard import all_states, called, keeping, watching
from prunebench.pruning.network import Group, Network
from prunebench.scoring.evidence import undisturbed
from prunebench.scoring.hooks import READ
from prunebench.scoring.layers import Batches, LayerScores, checked, unit_template
from prunebench.scoring.places import producers
from prunebench.scoring.single_weights import WeightView, for_units_only


def score(
    criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator, watched: bool | None = None
) -> dict[str, Tensor]:
    """Score the remaining units: (units,) by group, low = remove first.

    A score that asks for data is called once per batch and layer, and the results are averaged by sample count. A
    score that asks for no data, or for `input_norm` alone, is called once. Then `finish` is called per layer. Then
    `coupling` joins the layers of a group.

    A ``joint`` score is called once per group, on all layers together. Matrices (units, fan_in) are concatenated along
    fan_in, activations along positions; vectors (units,) become (units, layers). If the score asks for one of `GATED`,
    layers that only a depthwise convolution reads are left out. Then `normed` holds the values that a gate of the unit
    would scale, and the gate's gradient is a sum over all positions.

    Args:
        criterion: a score per layer or of the whole model.
        network: dense or already pruned.
        batches: (pictures, labels) pairs, pictures (batch, channels, height, width), normalised.
        generator: for stochastic scores and random estimates of the curvature.
        watched: whether to refuse a score that changes the network or a global state, see `watching`. By default, all
            are watched but PruneBench's own scores that ask for no data: as tests show, these change nothing.

    Raises:
        CellError: the network lacks the evidence; the score fails, is not finite (units,), or changes the network or
            a global state. After a change, the network must not be used again.
    """
    parts = _by_part(criterion, network, batches, generator, watched)
    if isinstance(criterion, Criterion) and (criterion.coupling == "joint" or isinstance(network, WeightView)):
        return parts
    return {g.name: _join(criterion.coupling, _members(network, g, parts)) for g in network.table.groups}


def score_layers(
    criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator, watched: bool | None = None
) -> dict[str, Tensor]:
    """Score the units of every layer that writes units of a group, each layer by itself: (units,) by layer.

    A ``joint`` score is called on each layer, too. For the rest see `score`. Raises `CellError` also for a criterion
    that is for groups only.
    """
    if reason := for_groups_only(criterion):
        raise CellError(reason)
    if isinstance(criterion, Criterion) and criterion.coupling == "joint":
        criterion = replace(criterion, coupling="sum")
    return _by_part(criterion, network, batches, generator, watched)


def for_groups_only(criterion: AnyCriterion) -> str:
    """Return the reason why a criterion cannot score a layer by itself; empty if it can.

    >>> from prunebench.criteria.group_fisher import CRITERION
    >>> for_groups_only(CRITERION)
    "criterion 'group_fisher' is for whole groups only: it sees the layers that read a group's units"
    """
    if not isinstance(criterion, Criterion) or READ.isdisjoint(criterion.evidence):
        return ""
    return f"criterion '{criterion.label}' is for whole groups only: it sees the layers that read a group's units"


def _by_part(
    criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator, watched: bool | None
) -> dict[str, Tensor]:
    """Score every part: each layer, or each group for a ``joint`` score."""
    _check_data(criterion, batches)
    watch: AbstractContextManager[object] = keeping(all_states(network.device))
    if watched or (watched is None and not _is_own(criterion)):
        watch = watching(network.model, f"criterion '{criterion.label}'")
    if isinstance(criterion, ModelScore):
        return _by_model(criterion, network, batches, generator, watch)
    with watch:
        return LayerScores(criterion, network, generator, watched is not False).compute(batches)


def _is_own(criterion: AnyCriterion) -> bool:
    """Tell whether a criterion is PruneBench's own and asks for no data, so that no forward pass changes anything."""
    if not isinstance(criterion, Criterion) or criterion.needs:
        return False
    functions = (one for one in (criterion.score, criterion.finish) if one is not None)
    homes = (getattr(one, "__globals__", {}).get("__name__", "") for one in functions)  # a wrapper's are its own
    return all(str(home).startswith("prunebench.criteria.") for home in homes)


def _check_data(criterion: AnyCriterion, batches: Batches) -> None:
    if criterion.needs and not batches:
        raise CellError(f"criterion '{criterion.label}' needs calibration data, but there are no batches")


def score_weights(
    criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator, watched: bool | None = None
) -> dict[str, Tensor]:
    """Score the remaining weights: (weights,) by layer, in their flat order, low = remove first.

    Averages and `finish` work as in `score`; weights are not coupled. Raises `CellError` as `score` does, and for a
    criterion that is for units only.
    """
    reason = for_units_only(criterion)
    if reason:
        raise CellError(reason)
    return score(criterion, WeightView.over(network), batches, generator, watched)


def score_blocks(
    criterion: ModelScore,
    network: Network,
    without: Iterable[Network],
    blocks: int,
    batches: Batches,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Score residual blocks by the criterion's own `of_blocks`: (blocks,), on the CPU.

    without: networks that lack one block each. blocks: how many there are. Raises `CellError` as `score` does.
    """
    _check_data(criterion, batches)
    who = f"criterion '{criterion.label}'"
    with undisturbed(network.model):
        network.model.requires_grad_(True)
        with watching(network.model, who):
            found = called(who, lambda: criterion.score_blocks(network, without, batches, generator))
    given = found.cpu() if isinstance(found, Tensor) else found
    return checked(criterion, "", torch.zeros(blocks), lambda: given)


def _members(network: Network, group: Group, by_layer: Mapping[str, Tensor]) -> list[Tensor]:
    """Scores (units,) of a group's units, for each layer and each position of a unit in the layer."""
    return [
        by_layer[layer][positions.to(by_layer[layer].device)]
        for layer in group.producers
        for positions in network.positions(group, layer).unbind(1)
    ]


def _join(coupling: str, members: Sequence[Tensor]) -> Tensor:
    stacked = torch.stack(list(members))
    return {"sum": stacked.sum(0), "mean": stacked.mean(0), "first": stacked[0]}[coupling]


def _by_model(
    criterion: ModelScore,
    network: Network,
    batches: Batches,
    generator: torch.Generator,
    watch: AbstractContextManager[object],
) -> dict[str, Tensor]:
    """Score all layers at once. The watch must end before `undisturbed` restores the global random state."""
    who = f"criterion '{criterion.label}'"
    with undisturbed(network.model):
        network.model.requires_grad_(True)
        subject = network if "network" in signature(criterion.score).parameters else network.model
        with watch:
            scores = called(who, lambda: criterion(subject, batches, generator))
    if not isinstance(scores, Mapping):
        raise CellError(f"{who} gives {kind_of(scores)}, not a mapping from layer names to scores")
    by_layer: dict[str, Tensor] = {}
    for layer in producers(network):
        if layer not in scores:
            raise CellError(f"{who} gives no scores for layer '{layer}'")
        by_layer[layer] = checked(criterion, layer, unit_template(network, layer), partial(scores.__getitem__, layer))
    return by_layer
