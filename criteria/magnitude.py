"""Magnitude: the norm of a unit's weights (Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017)."""

import torch
from torch import Tensor

from prunebench import Criterion, Ranking


def magnitude(weight: Tensor, *, p: float = 2.0) -> Tensor:
    """Norm of each unit's weights, ||W_f||_p, without the bias.

    Li et al. use p = 1 (`magnitude:p=1`) and find p = 2 similar (section 4.4).

    weight: (units, fan_in). Returns (units,).

    >>> magnitude(torch.tensor([[3.0, -4.0], [0.0, 1.0]])).tolist()
    [5.0, 1.0]
    """
    norm: Tensor = torch.linalg.vector_norm(weight, ord=p, dim=1)
    return norm


CRITERION = Criterion(
    magnitude,
    published=Ranking("local"),
    reference="Li, Kadav, Durdanovic, Samet, Graf. Pruning Filters for Efficient ConvNets. ICLR 2017, section 3.1",
)
