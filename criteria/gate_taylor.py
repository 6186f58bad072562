"""First-order Taylor saliency of a gate behind the BatchNorm (Molchanov et al., CVPR 2019, "gate after BN")."""

from torch import Tensor

from prunebench import Criterion, Ranking


def gate_taylor(normed: Tensor, normed_grad: Tensor, *, per_example: bool = False) -> Tensor:
    """Squared derivative of the loss by a unit's gate, z = 1 on what leaves its BatchNorm: (dL/dz)^2.

    dL/dz is the sum over positions of the BatchNorm's output times its gradient, gamma dgamma + beta dbeta. So,
    unlike the weight form `taylor`, it sees that a removed unit loses its BatchNorm's shift, too. Computed on each
    mini-batch's mean gradient and averaged over mini-batches; `gate_taylor:per_example=true` squares each example's own
    (the paper's "full gradient").

    A residual stream has one gate behind everything that writes to it, as a removal would have it. The authors' code
    puts it behind every block's addition, where what early blocks write is counted again in every later one, and
    divides by the number of blocks.

    normed, normed_grad: (batch, units, positions...), the gradient of each example's own loss; a coupled group has one
    gate, behind each of its layers: they come concatenated along positions. Returns (units,), loss squared.

    >>> import torch
    >>> y, g = torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]], [[-2.0, 5.0]]])
    >>> gate_taylor(y, g), gate_taylor(y, g, per_example=True)
    (tensor([1.]), tensor([10.]))
    """
    change = (normed * normed_grad).reshape(*normed.shape[:2], -1).sum(dim=2)
    return change.square().mean(dim=0) if per_example else change.mean(dim=0).square()


CRITERION = Criterion(
    gate_taylor,
    scale="loss",
    coupling="joint",
    published=Ranking("global"),
    reference="Molchanov et al. Importance Estimation for Neural Network Pruning. CVPR 2019, section 3 and table 2",
)
