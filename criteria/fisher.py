"""Fisher pruning: second-order saliency of a unit, with its block of the Fisher matrix (Theis et al., 2018)."""

from torch import Tensor

from prunebench import Criterion, Ranking


def fisher(output: Tensor, output_grad: Tensor) -> Tensor:
    """Half the mean squared first-order change of each sample's loss when a unit is set to zero.

    1/2 mean_n (sum_i g_ni w_i + b db_n)^2 = 1/2 W_f^T F W_f. F is the unit's block of the empirical Fisher matrix (true
    labels), off-diagonals and bias included. The inner sum is the output times its gradient, summed over positions.

    Weights and bias alone count: a BatchNorm's shift stays (`group_fisher` includes the shift). Where only a depthwise
    convolution reads the unit, the depthwise filter alone is scored: two scores would count one removal twice.

    output, output_grad: (batch, units, positions...), the layer's own output and the gradient of each sample's own
    loss. The layers of a coupled group come concatenated along positions. Returns (units,), loss.

    >>> import torch
    >>> fisher(torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]], [[-2.0, 5.0]]]))
    tensor([5.])
    """
    change = (output * output_grad).reshape(*output.shape[:2], -1).sum(dim=2)
    return 0.5 * change.square().mean(dim=0)


CRITERION = Criterion(
    fisher,
    scale="loss",
    coupling="joint",
    published=Ranking("per-cost"),
    reference="Theis et al. Faster gaze prediction with dense networks and Fisher pruning. 2018, arXiv 1801.05787",
)
