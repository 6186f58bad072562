"""HSQGL12: sparse training with the hierarchical squared group L1/2 penalty (Mitsuno et al. 2020), then the L2 norm."""

import torch
from torch import Tensor

from prunebench import Criterion, Penalty, Ranking
from prunebench.criteria._kernels import Alignment, over_group


def hierarchical_squared_group_l12(
    weight: Tensor, *, mix: float = 0.5, alignment: Alignment = "feature-wise", eps: float = 1e-8
) -> Tensor:
    """Mixture of the penalty with the L1 norm: mix HSQGL12 + (1 - mix) L1.

    HSQGL12 = sum_j ( sum_i ( sum_k |W_ijk| )^(1/2) )^2 with output i, input j and position k. This is the feature-wise
    form: its groups are *input* channels, that is the units of the layer before. The neuron-wise form swaps i and j.
    Mitsuno et al. mix half and half; the Reg+OBD paper of 2021 leaves L1 out (`mix=1`). Both papers have it on
    convolutions alone. eps: added inside the root, so that the gradient is finite at zero.

    weight: (units, inputs, positions). Returns a scalar.

    >>> w = torch.tensor([[[1.0, -3.0]], [[0.0, 9.0]]])  # (sqrt 4 + sqrt 9)^2 = 25, L1 = 13
    >>> f"{hierarchical_squared_group_l12(w):.3f}"
    '19.000'
    """
    blocks = weight.abs().sum(dim=2)
    hierarchical = over_group((blocks + eps).sqrt(), alignment).square().sum()
    return mix * hierarchical + (1 - mix) * blocks.sum()


def hsqgl12(weight: Tensor) -> Tensor:
    """L2 norm of each unit's weights. weight: (units, fan_in). Returns (units,).

    >>> hsqgl12(torch.tensor([[3.0, -4.0]]))
    tensor([5.])
    """
    norm: Tensor = torch.linalg.vector_norm(weight, dim=1)
    return norm


CRITERION = Criterion(
    hsqgl12,
    regulariser=Penalty(hierarchical_squared_group_l12, strength=3e-5),
    published=Ranking("global"),
    reference="Mitsuno, Miyao, Kurita. Hierarchical Group Sparse Regularization for Deep CNNs. IJCNN 2020",
)
