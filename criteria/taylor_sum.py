"""First-order Taylor saliency in its weight form, summed over single weights (Molchanov et al., CVPR 2019)."""

from torch import Tensor

from prunebench import Criterion, Ranking


def taylor_sum(weight: Tensor, grad: Tensor, bias: Tensor, bias_grad: Tensor) -> Tensor:
    """Sum of the squared first-order changes of the loss when single weights are set to zero: sum_i (g_i w_i)^2.

    The joint form `taylor` is (sum_i g_i w_i)^2. In the sum form, changes of opposite sign do not cancel: a unit's
    weights count as if they were removed one at a time. The authors' code computes this form for weights
    (`Taylor_weight`). Here the bias is included, since it is removed with the unit. The score is computed on each
    mini-batch's mean gradient and averaged over mini-batches.

    weight, grad: (units, fan_in); bias, bias_grad: (units,). Returns (units,), loss squared.

    >>> import torch
    >>> w, g, b, db = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]]), torch.tensor([2.0]), torch.tensor([0.5])
    >>> taylor_sum(w, g, b, db)
    tensor([14.])
    """
    return (weight * grad).square().sum(dim=1) + (bias * bias_grad).square()


CRITERION = Criterion(
    taylor_sum,
    scale="loss",
    published=Ranking("global"),
    reference="Molchanov et al. Importance Estimation for Neural Network Pruning. CVPR 2019, section 3, the sum form",
)
