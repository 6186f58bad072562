"""Group Fisher pruning: Fisher information of one mask before all that reads a unit (Liu et al., ICML 2021)."""

from torch import Tensor

from prunebench import Criterion, Ranking
from prunebench.criteria._masks import half_mean_square, mask_slopes


def group_fisher(read: Tensor, read_grad: Tensor) -> Tensor:
    """Half the mean squared derivative of each sample's loss by a unit's mask, 1/2 mean_n (dL_n/dm)^2 at m = 1.

    As in the paper, the mask multiplies the unit in the input of every convolution and linear layer that reads it.
    dL_n/dm is the input times its gradient, summed over positions. The terms of all layers that share the mask are
    added before squaring.

    What passes a residual stream by its shortcut is nobody's input. A shortcut that pads has no weights, but it reads
    for the next stream, so it counts as a reader. Where the stream is pooled before the classifier, the mask multiplies
    the pooled numbers. A BatchNorm that reads the stream, as in DenseNet, is no reader: the layer behind it is. So the
    mask removes the BatchNorm's shift, too.

    A depthwise convolution reads its input, and the next layer reads its output. So the mask acts on both, as in the
    paper. The paper divides by the memory that is removed with the unit (ranking `per-memory`) or by its MACs
    (`per-cost`). The authors' code sums over samples, without the factor 1/2.

    read, read_grad: (batch, units, positions...), with the gradient of each sample's own loss. All layers that read the
    unit come concatenated along positions. Returns (units,), loss.

    >>> import torch
    >>> group_fisher(torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]], [[-2.0, 5.0]]]))
    tensor([5.])
    """
    return half_mean_square(mask_slopes(read, read_grad))


CRITERION = Criterion(
    group_fisher,
    scale="loss",
    coupling="joint",
    published=Ranking("per-memory"),
    reference="Liu et al. Group Fisher Pruning for Practical Network Compression. ICML 2021, section 3",
)
