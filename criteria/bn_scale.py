"""BatchNorm scale: the absolute weight of a unit's BatchNorm (Liu et al., Network Slimming, ICCV 2017)."""

import torch
from torch import Tensor

from prunebench import Criterion, Ranking


def bn_scale(gamma: Tensor, weight: Tensor) -> Tensor:
    """Absolute BatchNorm weight of each unit, |gamma_f|; in a layer without BatchNorm, ||W_f||_2.

    A unit without a BatchNorm of its own, as in DenseNet, takes the largest |gamma| of the BatchNorms that read it (see
    `slimming`). Liu et al. rank networks in which a BatchNorm follows or reads every pruned unit. Where none does, or
    the BatchNorm was never trained, all gamma are one and rank nothing. There the score is the unit's norm: the factor
    that weight normalisation gives the unit (Salimans & Kingma, NIPS 2016, eq. 2). The two scores are not on one scale.

    gamma: (units,); weight: (units, fan_in). Returns (units,).

    >>> weight = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    >>> bn_scale(torch.tensor([-0.5, 2.0]), weight).tolist(), bn_scale(torch.ones(2), weight).tolist()
    ([0.5, 2.0], [5.0, 1.0])
    """
    factor: Tensor = torch.linalg.vector_norm(weight, dim=1) if bool((gamma == 1).all()) else gamma.abs()
    return factor


CRITERION = Criterion(
    bn_scale,
    published=Ranking("global"),
    reference="Liu et al. Learning Efficient Convolutional Networks through Network Slimming. ICCV 2017",
)
