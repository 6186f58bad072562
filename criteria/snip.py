"""SNIP: connection sensitivity (Lee, Ajanthan & Torr, ICLR 2019), summed over a unit."""

import torch
from torch import Tensor

from prunebench import Criterion, Ranking


def snip(weight: Tensor, grad: Tensor, bias: Tensor, bias_grad: Tensor) -> Tensor:
    """Differentiate the loss by each connection's mask, c = 1: dL/dc_i = g_i w_i.

    Biases are connections, too, as in the paper's code. The paper takes the absolute value of the
    derivative of one mini-batch's *mean* loss. Here all calibration pictures are that mini-batch: the derivatives are
    averaged over batches first, so the score does not depend on how the pictures are cut into batches. (The mean of
    each batch's absolute values would be larger, the more so the smaller the batches are.)

    weight, grad: (units, fan_in); bias, bias_grad: (units,). Returns (units, fan_in + 1), with sign.

    >>> w, g, b, db = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]]), torch.tensor([2.0]), torch.tensor([0.5])
    >>> snip(w, g, b, db)
    tensor([[ 3., -2.,  1.]])
    """
    return torch.cat([weight * grad, (bias * bias_grad).unsqueeze(1)], dim=1)


def total_sensitivity(derivatives: Tensor) -> Tensor:
    """Sum over a unit's connections of |dL/dc_i|; the paper removes single connections. (units, n) to (units,).

    >>> total_sensitivity(torch.tensor([[3.0, -2.0, 1.0]]))
    tensor([6.])
    """
    return derivatives.abs().sum(dim=1)


CRITERION = Criterion(
    snip,
    scale="loss",
    finish=total_sensitivity,
    published=Ranking("global"),
    reference="Lee, Ajanthan, Torr. SNIP: Single-shot Network Pruning based on Connection Sensitivity. ICLR 2019",
)
