"""Activation-form Taylor saliency as published code computes it: the absolute value follows the average."""

from torch import Tensor

from prunebench import Criterion, Ranking
from prunebench.criteria.taylor_activation import l2_normalised


def taylor_activation_signed(activation: Tensor, activation_grad: Tensor) -> Tensor:
    """Mean over examples and positions of the *signed* product dL/dz z, with z the unit's feature map.

    Molchanov et al. (ICLR 2017) take the absolute value per example (`taylor_activation`). The code behind many later
    papers averages the signed product over the batch, adds up the batches and takes the absolute value of the sum.
    There, a rise of one picture's loss cancels a fall of another's. That code reads z before the ReLU; the product is
    the same after the ReLU.

    activation, activation_grad: (batch, units, positions...), with the gradient of each example's own loss. Returns
    (units,), signed; `finish` makes the score.

    >>> import torch
    >>> z, g = torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]], [[-8.0, 5.0]]])
    >>> taylor_activation_signed(z, g)
    tensor([-1.])
    """
    return (activation * activation_grad).reshape(*activation.shape[:2], -1).mean(dim=(0, 2))


def absolute_l2_normalised(means: Tensor) -> Tensor:
    """Absolute value of the mean over all batches, divided by the layer's l2 norm. (units,) -> (units,).

    >>> import torch
    >>> absolute_l2_normalised(torch.tensor([-3.0, 4.0])).tolist()
    [0.6..., 0.8...]
    """
    return l2_normalised(means).abs()


CRITERION = Criterion(
    taylor_activation_signed,
    finish=absolute_l2_normalised,
    published=Ranking("global"),
    reference="Gildenblat. jacobgil/pytorch-pruning, 2017, after Molchanov et al. ICLR 2017",
)
