"""Optimal Brain Damage: second-order saliency with a diagonal curvature (LeCun, Denker & Solla, NIPS 1989)."""

from torch import Tensor

from prunebench import Criterion, Ranking


def obd(weight: Tensor, curvature: Tensor, bias: Tensor, bias_curvature: Tensor) -> Tensor:
    """Half the curvature times the squared parameters, summed over a unit: 1/2 sum_i h_ii w_i^2, bias included.

    Here h is by default an unbiased estimate of the Gauss-Newton matrix's diagonal (`obd:curvature=sampled`, with
    `draws` vectors per picture), which is never negative; `exact` computes it without sampling, one backward pass per
    class but one, and equals the Hessian's diagonal on networks of ReLU and max-pooling. `empirical` takes the true
    labels. `lecun` is what LeCun et al. propagate back themselves (eq. 6), without the cross terms inside a layer.
    `hessian` is the Hessian's diagonal, by thousands of passes, and `hutchinson` a noisy estimate of it from `draws`
    probes. These two can be negative: such a score is kept, it says that the loss falls, and its unit goes first.

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
