"""From a criterion to scores of the units of every group: batch by batch, in memory of the size of the parameters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from prunebench.criterion import EVIDENCE, AnyCriterion, Criterion, ModelScore
from prunebench.errors import CellError
from prunebench.evidence import ACTIVATION, GATED, NORMED, gather, pads, producers, undisturbed, weight_of
from prunebench.inputs import input_norms
from prunebench.network import Group, Network
from prunebench.watching import called, keeping_globals, watching
from prunebench.weight_view import SingleWeights

Batches = Sequence[tuple[Tensor, Tensor]]


def score(
    criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator, watched: bool = True
) -> dict[str, Tensor]:
    """Score the units still there: (units,) by group, low = remove first.

    A score that asks for data is called once per batch and layer, and the results are averaged by sample count; one
    that does not is called once, as is one whose only data are `input_norm`, which is of all batches. Then `finish` per
    layer, then the layers of a group are joined as `coupling` says.
    With ``joint`` the score is called once per group on its layers together: matrices (units, fan_in) are concatenated
    along fan_in, what passes through layers along positions, vectors (units,) become (units, layers); `normed` is there
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
            parts = _by_layer(criterion, network, batches, generator)
        if criterion.coupling == "joint" or isinstance(network, SingleWeights):
            return parts
    return {g.name: _join(criterion.coupling, _members(network, g, parts)) for g in network.table.groups}


def _by_layer(
    criterion: Criterion, network: Network, batches: Batches, generator: torch.Generator
) -> dict[str, Tensor]:
    parts = _mean_over_batches(criterion, network, batches, generator)
    if criterion.finish is None:
        return parts
    finish = criterion.finish
    return {p: _checked(criterion, p, v.reshape(len(v), -1)[:, 0], finish, v) for p, v in parts.items()}


def _mean_over_batches(
    criterion: Criterion, network: Network, batches: Batches, generator: torch.Generator
) -> dict[str, Tensor]:
    """Average the scores of each part (a layer, or a group where scored jointly) over samples."""
    norms = input_norms(network, batches) if "inputs" in criterion.needs else {}
    if criterion.needs <= {"inputs"}:
        return _one_batch(criterion, network, torch.empty(0), torch.empty(0), generator, norms)
    totals: dict[str, Tensor] = {}
    for pictures, labels in batches:
        for part, values in _one_batch(criterion, network, pictures, labels, generator, norms).items():
            totals[part] = totals.get(part, 0) + values * len(labels)
    samples = sum(len(labels) for _, labels in batches)
    return {part: total / samples for part, total in totals.items()}


def _one_batch(
    criterion: Criterion,
    network: Network,
    pictures: Tensor,
    labels: Tensor,
    generator: torch.Generator,
    norms: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    names = frozenset(criterion.evidence) - {"generator", "input_norm"}
    layers = gather(network, names, pictures, labels, generator, criterion.curvature, criterion.draws)
    for layer, norm in norms.items():
        layers[layer]["input_norm"] = norm
    more = criterion.finish is not None
    return {
        part: _checked(criterion, part, template, criterion, {**evidence, "generator": generator}, more)
        for part, evidence, template in _parts(criterion, network, layers)
    }


def _parts(
    criterion: Criterion, network: Network, layers: Mapping[str, Mapping[str, Tensor]]
) -> Iterator[tuple[str, Mapping[str, Tensor], Tensor]]:
    """Give what the score is called on: name, evidence and a tensor (units,) that shows shape, dtype and device."""
    if isinstance(network, SingleWeights):
        for layer, evidence in layers.items():
            yield layer, network.show(layer, evidence), network.weights(layer)
        return
    if criterion.coupling != "joint":
        for layer in producers(network):
            yield layer, layers[layer], weight_of(network, layer).flatten(1)[:, 0]
        return
    for group in network.table.groups:
        sources = _sources(network, group, bool(GATED & set(criterion.evidence)))
        joint = {name: _together(network, group, name, layers, sources) for name in next(iter(layers.values()))}
        first = weight_of(network, group.producers[0]).flatten(1)[:, 0]
        yield group.name, joint, first[network.positions(group, group.producers[0])[:, 0]]


def _together(
    network: Network, group: Group, name: str, layers: Mapping[str, Mapping[str, Tensor]], sources: Sequence[str]
) -> Tensor:
    """Concatenate one kind of evidence over a group's layers (and over a unit's positions in each)."""
    axis = 1 if EVIDENCE[name] == "activations" else 0
    pieces = []
    for layer in [*sources, *(pads(network, group) if name in NORMED | ACTIVATION else ())]:
        value = layers[layer][name]
        for positions in network.positions(group, layer).unbind(1):
            piece = value.index_select(axis, positions.to(value.device))
            pieces.append(piece.reshape(*piece.shape[: axis + 1], -1))
    return torch.cat(pieces, dim=axis + 1)


def _sources(network: Network, group: Group, gated: bool) -> list[str]:
    """Layers whose evidence is joined for a group.

    gated: it makes a first-order change of the loss. A unit is removed once: whatever scales it to zero stands after
    each layer that writes it, but not before a depthwise convolution that alone reads it, too, where it would act a
    second time on the way.
    """
    passed = network.table.depthwise.values() if gated else ()
    return [layer for layer in group.producers if layer not in passed]


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
            given = called(who, lambda: criterion.score(subject, batches, generator, **criterion.own_options))
    if not isinstance(given, Mapping):
        raise CellError(f"{who} gives a {type(given).__name__}, not scores by the names of layers")
    by_layer: dict[str, Tensor] = {}
    for layer in producers(network):
        if layer not in given:
            raise CellError(f"{who} gives no scores for layer '{layer}'")
        template = weight_of(network, layer).flatten(1)[:, 0]
        by_layer[layer] = _checked(criterion, layer, template, given.__getitem__, layer)
    return by_layer


def _checked(
    criterion: AnyCriterion,
    part: str,
    template: Tensor,
    function: Callable[[Any], Tensor],
    given: Any,
    more: bool = False,
) -> Tensor:
    """Compute scores; whatever is wrong with them is said with the names of criterion and layer.

    template: (units,), shows shape and device. more: allow (units, ...), of which `finish` makes (units,).
    """
    where = f"criterion '{criterion.label}' on layer '{part}'"
    with torch.no_grad():
        values = called(where, lambda: function(given))
    if not isinstance(values, Tensor):
        raise CellError(f"{where} gives a {type(values).__name__}, not a tensor")
    if values.shape != template.shape and not (more and values.shape[:1] == template.shape):
        raise CellError(f"{where} gives scores of shape {tuple(values.shape)}, not {tuple(template.shape)}")
    if values.device != template.device:
        raise CellError(f"{where} gives scores on {values.device}, not on {template.device}")
    if not values.is_floating_point():
        raise CellError(f"{where} gives scores of {values.dtype}, not of floating-point numbers")
    if not values.isfinite().all():
        raise CellError(f"{where} gives {int((~values.isfinite()).sum())} scores that are not finite")
    return values.detach()
