"""From a criterion to scores of the units of every group: batch by batch, in memory of the size of the parameters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from prunebench.criterion import EVIDENCE, AnyCriterion, Criterion, ModelScore
from prunebench.errors import CellError
from prunebench.evidence import gather, producers, undisturbed, weight_of
from prunebench.network import Group, Network

Batches = Sequence[tuple[Tensor, Tensor]]


def score(criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator) -> dict[str, Tensor]:
    """Score the units still there: (units,) by group, low = remove first.

    A score that asks for data is called once per batch and layer, and the results are averaged by sample count; one
    that does not is called once. Then `finish` per layer, then the layers of a group are joined as `coupling` says.
    With ``joint`` the score is called once per group on its layers together: matrices (units, fan_in) are concatenated
    along fan_in, what passes through layers along positions, vectors (units,) become (units, layers).

    Args:
        criterion: a score per layer or of the whole model.
        network: dense or already pruned.
        batches: of (pictures, labels), pictures (batch, channels, height, width), normalised.
        generator: for stochastic scores and random curvatures.

    Raises:
        CellError: evidence that cannot be had; a score that fails, or gives anything but finite (units,).
    """
    if isinstance(criterion, ModelScore):
        return _by_model(criterion, network, batches, generator)
    parts = _mean_over_batches(criterion, network, batches, generator)
    if criterion.finish is not None:
        parts = {part: _checked(criterion, part, values, criterion.finish, values) for part, values in parts.items()}
    if criterion.coupling == "joint":
        return parts
    return {g.name: _join(criterion.coupling, _members(network, g, parts)) for g in network.table.groups}


def _mean_over_batches(
    criterion: Criterion, network: Network, batches: Batches, generator: torch.Generator
) -> dict[str, Tensor]:
    """Average the scores of each part (a layer, or a group where scored jointly) over samples."""
    if not criterion.needs:
        return _one_batch(criterion, network, torch.empty(0), torch.empty(0), generator)
    if not batches:
        raise CellError(f"criterion '{criterion.label}' needs calibration data and there is none")
    totals: dict[str, Tensor] = {}
    for pictures, labels in batches:
        for part, values in _one_batch(criterion, network, pictures, labels, generator).items():
            totals[part] = totals.get(part, 0) + values * len(labels)
    samples = sum(len(labels) for _, labels in batches)
    return {part: total / samples for part, total in totals.items()}


def _one_batch(
    criterion: Criterion, network: Network, pictures: Tensor, labels: Tensor, generator: torch.Generator
) -> dict[str, Tensor]:
    names = frozenset(criterion.evidence) - {"generator"}
    layers = gather(network, names, pictures, labels, generator, criterion.curvature, criterion.draws)
    return {
        part: _checked(criterion, part, template, criterion, {**evidence, "generator": generator})
        for part, evidence, template in _parts(criterion, network, layers)
    }


def _parts(
    criterion: Criterion, network: Network, layers: Mapping[str, Mapping[str, Tensor]]
) -> Iterator[tuple[str, Mapping[str, Tensor], Tensor]]:
    """Give what the score is called on: name, evidence and a tensor (units,) that shows shape, dtype and device."""
    if criterion.coupling != "joint":
        for layer, evidence in layers.items():
            yield layer, evidence, weight_of(network, layer).flatten(1)[:, 0]
        return
    for group in network.table.groups:
        joint = {name: _together(network, group, name, layers) for name in next(iter(layers.values()))}
        first = weight_of(network, group.producers[0]).flatten(1)[:, 0]
        yield group.name, joint, first[network.positions(group, group.producers[0])[:, 0]]


def _together(network: Network, group: Group, name: str, layers: Mapping[str, Mapping[str, Tensor]]) -> Tensor:
    """Concatenate one kind of evidence over a group's layers (and over a unit's positions in each)."""
    axis = 1 if EVIDENCE[name] == "activations" else 0
    pieces = []
    for layer in group.producers:
        value = layers[layer][name]
        for positions in network.positions(group, layer).unbind(1):
            piece = value.index_select(axis, positions.to(value.device))
            pieces.append(piece.reshape(*piece.shape[: axis + 1], -1))
    return torch.cat(pieces, dim=axis + 1)


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
    criterion: ModelScore, network: Network, batches: Batches, generator: torch.Generator
) -> dict[str, Tensor]:
    with undisturbed(network.model):
        network.model.requires_grad_(True)
        try:
            given = criterion.score(network.model, batches, generator, **criterion.options)
        except CellError:
            raise
        except Exception as error:
            raise CellError(f"criterion '{criterion.label}' failed: {type(error).__name__}: {error}") from error
    by_layer: dict[str, Tensor] = {}
    for layer in producers(network):
        if layer not in given:
            raise CellError(f"criterion '{criterion.label}' gives no scores for layer '{layer}'")
        template = weight_of(network, layer).flatten(1)[:, 0]
        by_layer[layer] = _checked(criterion, layer, template, given.__getitem__, layer)
    return {g.name: _join(criterion.coupling, _members(network, g, by_layer)) for g in network.table.groups}


def _checked(
    criterion: AnyCriterion, part: str, template: Tensor, function: Callable[[Any], Tensor], given: Any
) -> Tensor:
    """Compute scores; whatever is wrong with them is said with the names of criterion and layer."""
    where = f"criterion '{criterion.label}' on layer '{part}'"
    try:
        with torch.no_grad():
            values = function(given)
    except CellError:
        raise
    except Exception as error:
        raise CellError(f"{where} failed: {type(error).__name__}: {error}") from error
    if not isinstance(values, Tensor):
        raise CellError(f"{where} gives a {type(values).__name__}, not a tensor")
    if values.shape != template.shape:
        raise CellError(f"{where} gives scores of shape {tuple(values.shape)}, not {tuple(template.shape)}")
    if values.device != template.device:
        raise CellError(f"{where} gives scores on {values.device}, not on {template.device}")
    if not values.isfinite().all():
        raise CellError(f"{where} gives {int((~values.isfinite()).sum())} scores that are not finite")
    return values.detach()
