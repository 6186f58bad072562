"""Fisher pruning: second-order saliency of a mask on a unit's feature map (Theis et al., 2018)."""

from torch import Tensor

from prunebench import Criterion, Ranking
from prunebench.criteria._masks import half_mean_square, mask_slopes


def fisher(activation: Tensor, activation_grad: Tensor) -> Tensor:
    """Half the mean squared derivative of each sample's loss by a mask on the unit's feature map, 1/2 mean_n g_n^2.

    g_n is the feature map times its gradient, summed over positions. The feature map lies behind BatchNorm and
    nonlinearity, as in the published re-implementation (BayesWatch/pytorch-prunes). So the score includes the
    BatchNorm's shift, which a removal takes away, too.

    A unit has one mask. Where several layers write the unit, the mask stands behind each of them, and their derivatives
    are added before squaring. Where only a depthwise convolution reads the unit, the mask stands behind that
    convolution alone. The published code masks the inner layers of blocks only, which are coupled with no other.

    activation, activation_grad: (batch, units, positions...), with the gradient of each sample's own loss. The layers
    of a coupled group come concatenated along positions. Returns (units,), loss.

    >>> import torch
    >>> fisher(torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]], [[-2.0, 5.0]]]))
    tensor([5.])
    """
    return half_mean_square(mask_slopes(activation, activation_grad))


CRITERION = Criterion(
    fisher,
    scale="loss",
    coupling="joint",
    published=Ranking("per-cost"),
    reference="Theis et al. Faster gaze prediction with dense networks and Fisher pruning. 2018, arXiv 1801.05787",
)
