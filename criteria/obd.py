"""Optimal Brain Damage: second-order saliency with a diagonal curvature (LeCun, Denker & Solla, NIPS 1989)."""

from torch import Tensor

from prunebench import Criterion, Ranking


def obd(weight: Tensor, curvature: Tensor, bias: Tensor, bias_curvature: Tensor) -> Tensor:
    """Half the curvature times the squared parameters, summed over a unit: 1/2 sum_i h_ii w_i^2, bias included.

    The option `curvature` chooses the diagonal h:

    - `sampled` (default): unbiased Gauss-Newton estimate from `draws` vectors per picture; never negative.
    - `exact`: the Gauss-Newton diagonal from (classes - 1) backward passes; equals `hessian` for ReLU and max-pooling.
    - `empirical`: the empirical Fisher diagonal, from the true labels.
    - `lecun`: the diagonal that LeCun et al. propagate back (eq. 6), without the cross terms inside a layer.
    - `hessian`: the Hessian's diagonal, from thousands of passes.
    - `hutchinson`: a noisy estimate of the Hessian's diagonal, from `draws` probes.

    The last two can be negative. A negative score is kept: the loss falls without the unit, which goes first.

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
