"""Group Hessian importance as torch-pruning describes it: `tp.importance.GroupHessianImportance`."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from prunebench import ModelScore, Network, Ranking
from prunebench.criteria._group_importance import Normalizer, Reduction, group_importance


def tp_hessian(
    network: Network,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    group_reduction: Reduction = "mean",
    normalizer: Normalizer = "mean",
) -> dict[str, Tensor]:
    """Sum of w^2 h over a unit's weights in a layer, mean over the layers of its group, over the mean of its units.

    h is the mean over pictures of the squared gradient of a picture's own loss, (dL_n/dw)^2. This is Optimal Brain
    Damage (`obd:curvature=empirical`), without the half, over BatchNorms and the layers that read the unit, too.

    This is what torch-pruning 1.6.1 describes. Its `accumulate_grad` looks for sums under a key that it never writes.
    So its h is the squared gradient of the last picture alone.

    The options have the names and defaults of torch-pruning. There, biases do not count by default, and depthwise
    convolutions never do. The cost is that of one forward-backward pass for each picture by itself.

    batches: pairs (pictures, labels). Returns (units,) by layer.
    """
    weights = [p for p in network.model.parameters() if p.requires_grad]
    squares = {weight: torch.zeros_like(weight) for weight in weights}
    samples = sum(len(labels) for _, labels in batches)
    for pictures, labels in batches:
        for picture, label in zip(pictures.to(network.device, network.dtype), labels.to(network.device), strict=True):
            loss = F.cross_entropy(network.model(picture[None]), label[None])
            gradients = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
            for weight, gradient in zip(weights, gradients, strict=True):
                squares[weight] += gradient.square() / samples
    return group_importance(
        network,
        lambda piece: piece.sums(lambda w: w.detach().square() * squares[w]),  # type: ignore[index]
        group_reduction,
        normalizer,
        norms=True,
    )


CRITERION = ModelScore(
    tp_hessian,
    coupling="first",
    published=Ranking("local"),
    reference="torch-pruning 1.6.1, GroupHessianImportance; Fang et al. DepGraph. CVPR 2023",
)
