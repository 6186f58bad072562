"""Scores of single weights by the same criteria: each weight is shown as a unit with a fan_in of one."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from prunebench.criterion import AnyCriterion, Criterion
from prunebench.errors import CellError
from prunebench.evidence import gather, weight_of
from prunebench.masks import kept_weights
from prunebench.network import Group, Network, Slice
from prunebench.scoring import Batches, averaged, checked

MATRICES = ("weight", "grad", "curvature")
ABSENT = ("bias", "bias_grad", "bias_curvature")  # a weight has no bias of its own: zeros


def score_weights(
    criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator
) -> dict[str, Tensor]:
    """Score the weights still there: (weights,) by layer, in their flat order, low = remove first.

    Matrices (units, fan_in) become (weights, 1), the parts of biases zeros (weights,). Averaging over batches and
    `finish` are those of `scoring.score`; every weight stands for itself, so nothing is coupled.

    Raises:
        CellError: a criterion that is for units only; a score that fails or is not finite.
    """
    reason = for_units_only(criterion)
    if reason or not isinstance(criterion, Criterion):
        raise CellError(reason)
    kept, every = kept_weights(network), _layer_by_layer(network)
    names = frozenset(criterion.evidence) & frozenset(MATRICES)

    def one_batch(pictures: Tensor, labels: Tensor) -> dict[str, Tensor]:
        layers = gather(every, names, pictures, labels, generator, criterion.curvature)
        scores = {}
        for layer, evidence in layers.items():
            shown = _shown(evidence, kept[layer], weight_of(network, layer))
            scores[layer] = checked(criterion, layer, shown["bias"], criterion, {**shown, "generator": generator})
        return scores

    scores = averaged(criterion, batches, one_batch)
    if criterion.finish is not None:
        scores = {layer: checked(criterion, layer, v, criterion.finish, v) for layer, v in scores.items()}
    return scores


def for_units_only(criterion: AnyCriterion) -> str:
    """Say why a criterion cannot score single weights; nothing if it can.

    >>> from prunebench.criteria.fisher import CRITERION
    >>> for_units_only(CRITERION)
    "criterion 'fisher' is for units only: a single weight has no output and output_grad"
    """
    where = f"criterion '{criterion.label}' is for units only:"
    if not isinstance(criterion, Criterion):
        return f"{where} it scores whole layers"
    if criterion.units_only:
        return f"{where} its score needs whole units"
    missing = [name for name in criterion.evidence if name not in (*MATRICES, *ABSENT, "generator")]
    return f"{where} a single weight has no {' and '.join(missing)}" if missing else ""


def _shown(evidence: Mapping[str, Tensor], kept: Tensor, weight: Tensor) -> dict[str, Tensor]:
    numbers = kept.to(weight.device)
    shown = {name: value.flatten()[numbers, None] for name, value in evidence.items() if name in MATRICES}
    return shown | dict.fromkeys(ABSENT, weight.new_zeros(len(kept)))


def _layer_by_layer(network: Network) -> Network:
    """Give the network with a table that has every convolution and linear layer as a group: evidence of them all."""
    groups = []
    for layer in network.table.positions:
        units = len(weight_of(network, layer))
        own = Slice(layer, "out", torch.arange(units)[:, None])
        groups.append(Group(layer, units, (layer,), (own,)))
    table = replace(network.table, groups=tuple(groups))
    return Network.dense(network.model, table)
