"""Group Taylor importance as torch-pruning computes it: `tp.importance.GroupTaylorImportance`."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from prunebench import ModelScore, Network, Ranking
from prunebench.criteria._group_importance import Normalizer, Reduction, group_importance


def tp_taylor(
    network: Network,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    group_reduction: Reduction = "mean",
    normalizer: Normalizer = "mean",
) -> dict[str, Tensor]:
    """Sum of |w dL/dw| over a unit's weights in a layer, mean over the layers of its group, over the mean of its units.

    L is the mean loss of all pictures: users of torch-pruning call `backward` once or several times before they prune.
    Molchanov et al. (CVPR 2019), whom torch-pruning names, add the products of a unit before they square (`taylor`).

    The options have the names and defaults of torch-pruning 1.6.1. There, biases do not count by default, and depthwise
    convolutions and BatchNorms never do: their part asks for the wrong kind of layer. The cost is that of one
    forward-backward pass.

    batches: pairs (pictures, labels). Returns (units,) by layer.
    """
    samples = sum(len(labels) for _, labels in batches)
    for pictures, labels in batches:
        logits = network.model(pictures.to(network.device, network.dtype))
        loss = F.cross_entropy(logits, labels.to(logits.device), reduction="sum") / samples
        loss.backward()  # type: ignore[no-untyped-call]
    return group_importance(network, lambda piece: piece.sums(_change), group_reduction, normalizer, norms=False)


def _change(weight: Tensor) -> Tensor:
    return (weight.detach() * weight.grad).abs() if weight.grad is not None else torch.zeros_like(weight)


CRITERION = ModelScore(
    tp_taylor,
    coupling="first",
    published=Ranking("local"),
    reference="torch-pruning 1.6.1, GroupTaylorImportance; Fang et al. DepGraph. CVPR 2023",
)
