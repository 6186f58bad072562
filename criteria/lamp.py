"""LAMP: magnitude on a scale that all layers share (Lee et al., Layer-adaptive Sparsity, ICLR 2021)."""

import torch
from torch import Tensor

from prunebench import Criterion, Ranking


def lamp(weight: Tensor) -> Tensor:
    """Squared norm of a unit's weights, divided by the sum of the layer's squared norms that are not smaller.

    Lee et al. score single weights by w_u^2 / sum_{v >= u} w_v^2 in ascending order. Here a unit's norm takes the place
    of a weight. Units of equal norm have equal scores: each counts in the other's sum. The largest norm has the score
    one. Within an uncoupled layer the order is that of `magnitude`; between layers the order differs.

    weight: (units, fan_in). A coupled group's layers come concatenated along fan_in and count as one layer. Returns
    (units,), in [0, 1]; zeros in a layer of zeros.

    >>> lamp(torch.tensor([[2.0, 0.0], [1.0, 1.0], [1.0, 3.0], [0.0, 2.0]])).tolist()  # squares 4, 2, 10, 4
    [0.2222222222222222, 0.1, 1.0, 0.2222222222222222]
    """
    squares = weight.double().square().sum(dim=1)
    ascending = squares.sort().values
    not_smaller = ascending.flip(0).cumsum(0).flip(0)[torch.searchsorted(ascending, squares)]
    return squares / torch.where(not_smaller > 0, not_smaller, 1.0)


CRITERION = Criterion(
    lamp,
    coupling="joint",
    published=Ranking("global"),
    reference="Lee, Park, Mo, Ahn, Shin. Layer-adaptive Sparsity for the Magnitude-based Pruning. ICLR 2021",
)
