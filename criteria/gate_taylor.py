"""First-order Taylor saliency of a gate after the BatchNorm (Molchanov et al., CVPR 2019, "gate after BN")."""

from torch import Tensor

from prunebench import Criterion, Ranking
from prunebench.criteria._masks import mask_slopes


def gate_taylor(normed: Tensor, normed_grad: Tensor, *, per_example: bool = False) -> Tensor:
    """Squared derivative of the loss by a unit's gate, (dL/dz)^2; the gate z = 1 multiplies the BatchNorm's output.

    dL/dz is the BatchNorm's output times its gradient, summed over positions: gamma dgamma + beta dbeta. So the score,
    unlike the weight form `taylor`, includes the BatchNorm's shift, which a removal takes away. The score is computed
    on each mini-batch's mean gradient and averaged over mini-batches. `gate_taylor:per_example=true` squares each
    example's derivative (the paper's "full gradient").

    A residual stream has one gate, after all layers that write to the stream: a removal acts there, too. The authors'
    code has a gate after every block's addition and divides by the number of blocks. There, what early blocks write
    counts again in every later block.

    normed, normed_grad: (batch, units, positions...), with each example's own gradient. A coupled group has one gate,
    which stands after each of its layers; the layers come concatenated along positions. Returns (units,), loss squared.

    >>> import torch
    >>> y, g = torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]], [[-2.0, 5.0]]])
    >>> gate_taylor(y, g), gate_taylor(y, g, per_example=True)
    (tensor([1.]), tensor([10.]))
    """
    slopes = mask_slopes(normed, normed_grad)
    return slopes.square().mean(dim=0) if per_example else slopes.mean(dim=0).square()


CRITERION = Criterion(
    gate_taylor,
    scale="loss",
    coupling="joint",
    published=Ranking("global"),
    reference="Molchanov et al. Importance Estimation for Neural Network Pruning. CVPR 2019, section 3 and table 2",
)
