"""Jacobian Criterion: w^T J^T J w of a unit's weights in every layer (Optimal Brain Connection, Chen et al., 2025)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench import ModelScore, Network, Ranking, UnitWeights, unit_weights


def jacobian(
    network: Network, batches: Sequence[tuple[Tensor, Tensor]], generator: torch.Generator
) -> dict[str, Tensor]:
    """Sum of w_m^T J_m^T J_m w_m over the components m that are removed with a unit.

    J_m has one row for each mini-batch: the gradient of its mean loss by w_m. So a term is sum_n (g_n w_m)^2, with
    g_n w_m the first-order change of the loss. A component is what one layer holds of the unit: the weights and bias
    that write it, the weight and bias of a BatchNorm, or the weights that read it. Products add up within a component,
    before they are squared. Squares add up over components and mini-batches.

    As in the authors' code, behind a flattening every position of a unit is a component of the layer that reads it.
    That code leaves out depthwise convolutions, which torch-pruning hides from it; the formula counts them, so they
    count here. With batches of one picture, rows belong to pictures. The cost is that of one forward-backward pass.

    batches: pairs (pictures, labels). Returns (units,) by layer, loss squared.
    """
    groups = {group.name: unit_weights(network, group) for group in network.table.groups}
    scores = {
        name: torch.zeros(units, device=network.device, dtype=network.dtype) for name, units in network.units.items()
    }
    for pictures, labels in batches:
        network.model.zero_grad(set_to_none=True)
        loss = F.cross_entropy(network.model(pictures.to(network.device, network.dtype)), labels.to(network.device))
        loss.backward()  # type: ignore[no-untyped-call]
        for name, pieces in groups.items():
            for piece in pieces:
                scores[name] += changes(network.layer(piece.layer), piece).square()[piece.index].sum(dim=1)
    return network.by_layer(scores)


def changes(layer: nn.Module, piece: UnitWeights) -> Tensor:
    """Add up w dL/dw over each component on one side of a layer. Returns (channels,).

    >>> layer = nn.Linear(2, 1)
    >>> layer.weight.data, layer.bias.data = torch.tensor([[2.0, 3.0]]), torch.tensor([4.0])
    >>> layer(torch.tensor([5.0, 6.0])).backward()
    >>> changes(layer, UnitWeights("", "out", layer.weight, 0, torch.tensor([[0]]))).tolist()  # 10 + 18 + 4
    [32.0]
    >>> changes(layer, UnitWeights("", "in", layer.weight, 1, torch.tensor([[0], [1]]))).tolist()
    [10.0, 18.0]
    """
    along = _products(piece.weight).movedim(piece.axis, 0)
    total = along.reshape(len(along), -1).sum(dim=1)
    bias = layer.bias if piece.side == "out" else None
    return total + _products(bias) if isinstance(bias, nn.Parameter) else total


def _products(parameter: Tensor) -> Tensor:
    return parameter.detach() * (0 if parameter.grad is None else parameter.grad)


CRITERION = ModelScore(
    jacobian,
    scale="loss",
    coupling="first",
    published=Ranking("global"),
    reference="Chen et al. Optimal Brain Connection: Towards Efficient Structural Pruning. 2025, arXiv 2508.05521",
)
