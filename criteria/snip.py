"""SNIP: connection sensitivity (Lee, Ajanthan & Torr, ICLR 2019), summed over a unit."""

import torch
from torch import Tensor

from prunebench import Criterion, Ranking


def snip(weight: Tensor, grad: Tensor, bias: Tensor, bias_grad: Tensor) -> Tensor:
    """Sensitivity of the loss to each connection's mask, its derivative at c = 1: dL/dc_i = g_i w_i.

    As in the paper's code, biases are connections, too. The paper takes absolute derivatives of one mini-batch's *mean*
    loss. Here that mini-batch is all calibration pictures: derivatives are averaged over batches first, so the score
    does not depend on the batch size. (The mean of each batch's absolute values would be larger, most of all for small
    batches.)

    weight, grad: (units, fan_in); bias, bias_grad: (units,). Returns (units, fan_in + 1), signed.

    >>> w, g, b, db = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0]]), torch.tensor([2.0]), torch.tensor([0.5])
    >>> snip(w, g, b, db)
    tensor([[ 3., -2.,  1.]])
    """
    return torch.cat([weight * grad, (bias * bias_grad).unsqueeze(1)], dim=1)


def total_sensitivity(derivatives: Tensor) -> Tensor:
    """Sum of |dL/dc_i| over a unit's connections; the paper removes single ones. (units, n) -> (units,).

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
