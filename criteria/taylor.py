"""First-order Taylor saliency in its weight form (Molchanov et al., CVPR 2019, eq. 8, the joint form)."""

from torch import Tensor

from prunebench import Criterion, Ranking


def taylor(weight: Tensor, grad: Tensor, bias: Tensor, bias_grad: Tensor) -> Tensor:
    """Squared first-order change of the loss when a unit's weights and bias are set to zero: (sum_i g_i w_i + b db)^2.

    As in the paper, the score is computed on each mini-batch's mean gradient and averaged over mini-batches. So it
    depends on the batch size; with batches of one sample it is exactly twice `block_obd`.

    Weights and bias alone count: a BatchNorm's shift stays (`gate_taylor` includes the shift). Where only a depthwise
    convolution reads the unit, the depthwise filter alone is scored: two scores would count one removal twice.

    weight, grad: (units, fan_in). bias, bias_grad: (units,), or (units, layers) for a coupled group, whose first-order
    terms are added before squaring. Returns (units,), loss squared.

    >>> import torch
    >>> w, g, b, db = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 1.0]]), torch.tensor([2.0]), torch.tensor([0.5])
    >>> taylor(w, g, b, db)
    tensor([36.])
    """
    change = (weight * grad).sum(dim=1) + (bias * bias_grad).reshape(len(bias), -1).sum(dim=1)
    return change.square()


CRITERION = Criterion(
    taylor,
    scale="loss",
    coupling="joint",
    published=Ranking("global"),
    reference="Molchanov et al. Importance Estimation for Neural Network Pruning. CVPR 2019, eq. 8",
)
