"""Block OBD: second-order saliency of a unit with its whole block of the empirical Fisher matrix, before BatchNorm."""

from torch import Tensor

from prunebench import Criterion, Ranking
from prunebench.criteria._masks import half_mean_square, mask_slopes


def block_obd(output: Tensor, output_grad: Tensor) -> Tensor:
    """Half the quadratic form of a unit's block of the empirical Fisher matrix, 1/2 W_f^T F W_f.

    It is Optimal Brain Damage with the off-diagonal terms between the weights and bias of one unit. It equals half the
    mean squared first-order change of each sample's loss, 1/2 mean_n (sum_i g_ni w_i + b db_n)^2, for the true labels.
    The inner sum is the layer's output times its gradient, summed over positions.

    Weights and bias alone count: a BatchNorm's shift stays (`fisher` includes the shift). Where only a depthwise
    convolution reads the unit, the depthwise filter alone is scored: two scores would count one removal twice.

    output, output_grad: (batch, units, positions...), the layer's own output and the gradient of each sample's own
    loss. The layers of a coupled group come concatenated along positions. Returns (units,), loss.

    >>> import torch
    >>> block_obd(torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]], [[-2.0, 5.0]]]))
    tensor([5.])
    """
    return half_mean_square(mask_slopes(output, output_grad))


CRITERION = Criterion(
    block_obd,
    scale="loss",
    coupling="joint",
    published=Ranking("global"),
    reference="After LeCun, Denker, Solla. Optimal Brain Damage. NIPS 1989, with whole blocks of the empirical Fisher "
    "matrix in place of a diagonal",
)
