"""FPGM: distance to the other units; replaceable units go first (He et al., CVPR 2019)."""

import torch
from torch import Tensor

from prunebench import Criterion, Ranking


def fpgm(weight: Tensor) -> Tensor:
    """Sum of the distances from a unit's weights to those of all units of the layer, sum_j ||W_f - W_j||_2.

    The unit with the smallest sum is nearest to the layer's geometric median. Weights keep their signs. Time and memory
    grow with the square of the number of units: the distances are (units, units).

    weight: (units, fan_in). A coupled group's layers come concatenated along fan_in: a unit is one point. Returns
    (units,).

    >>> fpgm(torch.tensor([[0.0, 0.0], [3.0, 4.0], [-3.0, -4.0]])).tolist()
    [10.0, 15.0, 15.0]
    """
    exact = "donot_use_mm_for_euclid_dist"  # a matrix product puts equal units up to 1e-2 apart
    distances: Tensor = torch.cdist(weight, weight, compute_mode=exact)
    return distances.sum(dim=1)


CRITERION = Criterion(
    fpgm,
    units_only=True,  # the distances of all pairs of single weights would fill the memory
    coupling="joint",
    published=Ranking("local"),
    reference="He, Liu, Wang, Hu, Yang. Filter Pruning via Geometric Median for Deep Convolutional Neural Networks "
    "Acceleration. CVPR 2019, section 3.4",
)
