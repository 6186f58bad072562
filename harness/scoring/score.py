"""From a criterion to scores of the units of every group: batch by batch, in memory of the size of the parameters."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from inspect import signature

import torch
from torch import Tensor

from prunebench.errors import CellError
from prunebench.plugins.criterion import AnyCriterion, ModelScore
from prunebench.plugins.guard import called, keeping_globals, watching
from prunebench.pruning.network import Group, Network
from prunebench.scoring.evidence import undisturbed
from prunebench.scoring.layers import Batches, LayerScores, checked, unit_template
from prunebench.scoring.places import producers
from prunebench.scoring.single_weights import WeightView, for_units_only


def score(
    criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator, watched: bool = True
) -> dict[str, Tensor]:
    """Score the units still there: (units,) by group, low = remove first.

    A score that asks for data is called once per batch and layer, and the results are averaged by sample count; one
    that does not is called once, as is one whose only data are `input_norm`, which is of all batches. Then `finish` per
    layer, then the layers of a group are joined as `coupling` says.
    With ``joint`` the score is called once per group on its layers together: matrices (units, fan_in) are concatenated
    along fan_in, what passes through layers along positions, vectors (units,) become (units, layers). Where
    it asks for one of `GATED`, layers that only a depthwise convolution reads are left out: `normed` is there
    where a gate of the group's units would stand, so that the gate's gradient is the sum over all positions.

    Args:
        criterion: a score per layer or of the whole model.
        network: dense or already pruned.
        batches: of (pictures, labels), pictures (batch, channels, height, width), normalised.
        generator: for stochastic scores and random curvatures.
        watched: whether to refuse a score that changes something, see `watching`.

    Raises:
        CellError: evidence that cannot be had; a score that fails, gives anything but finite (units,), or changes the
            network or a global random state. The network must not be used again after a change.
    """
    if criterion.needs and not batches:
        raise CellError(f"criterion '{criterion.label}' needs calibration data and there is none")
    watch: AbstractContextManager[object] = keeping_globals(network.device)
    if watched:
        watch = watching(network.model, f"criterion '{criterion.label}'")
    if isinstance(criterion, ModelScore):
        parts = _by_model(criterion, network, batches, generator, watch)
    else:
        with watch:
            parts = LayerScores(criterion, network, generator, watched).compute(batches)
        if criterion.coupling == "joint" or isinstance(network, WeightView):
            return parts
    return {g.name: _join(criterion.coupling, _members(network, g, parts)) for g in network.table.groups}


def score_weights(
    criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator, watched: bool = True
) -> dict[str, Tensor]:
    """Score the weights still there: (weights,) by layer, in their flat order, low = remove first.

    Averaging over batches and `finish` are those of `score`; every weight stands for itself, so nothing is
    coupled. Raises `CellError` for a criterion that is for units only, and as `score` does.
    """
    reason = for_units_only(criterion)
    if reason:
        raise CellError(reason)
    return score(criterion, WeightView.over(network), batches, generator, watched)


def _members(network: Network, group: Group, by_layer: Mapping[str, Tensor]) -> list[Tensor]:
    """Scores (units,) of a group's units in each of its layers, and at each of a unit's positions there."""
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
    """Score all layers at once. The watch comes last: leaving `undisturbed` would hide draws from the global state."""
    who = f"criterion '{criterion.label}'"
    with undisturbed(network.model):
        network.model.requires_grad_(True)
        subject = network if "network" in signature(criterion.score).parameters else network.model
        with watch:
            given = called(who, lambda: criterion(subject, batches, generator))
    if not isinstance(given, Mapping):
        raise CellError(f"{who} gives a {type(given).__name__}, not scores by the names of layers")
    by_layer: dict[str, Tensor] = {}
    for layer in producers(network):
        if layer not in given:
            raise CellError(f"{who} gives no scores for layer '{layer}'")
        by_layer[layer] = checked(criterion, layer, unit_template(network, layer), partial(given.__getitem__, layer))
    return by_layer
