"""Importances of whole groups, as torch-pruning (Fang et al., CVPR 2023) puts them together from their layers."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from prunebench import Group, Network, UnitWeights, unit_weights

Reduction = Literal["mean", "sum", "first"]
Normalizer = Literal["mean", "none", "sum", "max", "standarization", "gaussian"]
Measure = Callable[[UnitWeights], Tensor]  # gives (units,)


def group_importance(
    network: Network, measure: Measure, reduction: Reduction, normalizer: Normalizer, *, norms: bool
) -> dict[str, Tensor]:
    """Measure the weights of a unit in each layer, join the layers by `reduction`, and normalise the group's units.

    The weights are those that write the unit, those of its BatchNorms, and those that read it. Depthwise
    convolutions are left out, as in torch-pruning 1.6.1.

    measure: importance of each unit in one layer. norms: whether BatchNorms count. Returns (units,) by layer.
    """
    scores = {}
    for group in network.table.groups:
        layers = [measure(piece).detach() for piece in _counted(network, group, norms)]
        joined = layers[0] if reduction == "first" else torch.stack(layers).sum(dim=0)
        scores[group.name] = normalised(joined / len(layers) if reduction == "mean" else joined, normalizer)
    return network.by_layer(scores)


def _counted(network: Network, group: Group, norms: bool) -> list[UnitWeights]:
    left_out = network.table.depthwise.keys()
    pieces = [piece for piece in unit_weights(network, group) if piece.layer not in left_out]
    return [p for p in pieces if norms or not isinstance(network.layer(p.layer), nn.BatchNorm1d | nn.BatchNorm2d)]


def normalised(importance: Tensor, normalizer: Normalizer) -> Tensor:
    """Normalise the importances of a group's units, with the names of torch-pruning; (units,) -> (units,).

    Where the divisor is zero, numbers stay as they are.

    >>> values = torch.tensor([1.0, 2.0, 3.0])
    >>> [normalised(values, name).tolist() for name in ("mean", "sum", "max", "standarization", "gaussian")]
    [[0.5, 1.0, 1.5], [0.16..., 0.33..., 0.5], [0.33..., 0.66..., 1.0], [0.0, 0.5, 1.0], [-1.0, 0.0, 1.0]]
    """
    start = {"standarization": importance.min(), "gaussian": importance.mean()}.get(normalizer, torch.zeros(()))
    moved = importance - start.to(importance)
    divisors: dict[Normalizer, Callable[[], Tensor]] = {
        "none": lambda: torch.ones_like(moved),
        "mean": moved.mean,
        "sum": moved.sum,
        "max": moved.max,
        "standarization": moved.max,
        "gaussian": lambda: moved.std() if len(moved) > 1 else moved.sum(),
    }
    divisor = divisors[normalizer]()
    return torch.where(divisor == 0, moved, moved / torch.where(divisor == 0, 1, divisor))
