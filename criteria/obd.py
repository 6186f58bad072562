"""Optimal Brain Damage: second-order saliency with a diagonal curvature (LeCun, Denker & Solla, NIPS 1989)."""

from torch import Tensor

from prunebench.criterion import Criterion, Ranking


def obd(weight: Tensor, curvature: Tensor, bias: Tensor, bias_curvature: Tensor) -> Tensor:
    """Half the curvature times the squared parameters, summed over a unit: 1/2 sum_i h_ii w_i^2, bias included.

    LeCun et al. back-propagate an approximate diagonal of the Hessian (eq. 5). Here h is by default the diagonal of the
    Gauss-Newton matrix, estimated with labels sampled from the network (`obd:curvature=sampled`), which is never
    negative; `exact` computes it without sampling at the price of one backward pass per class, `empirical` takes the
    true labels. On networks of ReLU and max-pooling `exact` equals the diagonal of the Hessian.

    weight, curvature: (units, fan_in); bias, bias_curvature: (units,). Returns (units,), loss.

    >>> import torch
    >>> w, h, b, hb = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 1.0]]), torch.tensor([3.0]), torch.tensor([2.0])
    >>> obd(w, h, b, hb)
    tensor([13.])
    """
    return 0.5 * ((curvature * weight.square()).sum(dim=1) + bias_curvature * bias.square())


CRITERION = Criterion(
    obd,
    scale="loss",
    published=Ranking("global"),
    curvature="sampled",
    reference="LeCun, Denker, Solla. Optimal Brain Damage. NIPS 1989, eq. 5",
)
