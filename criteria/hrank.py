"""HRank: the rank of a unit's feature maps (Lin et al., CVPR 2020)."""

import torch
from torch import Tensor

from prunebench.criterion import Criterion, Ranking


def hrank(activation: Tensor) -> Tensor:
    """Mean over examples of the rank of a unit's feature map after its nonlinearity.

    Lin et al. read a residual stream behind the ReLU that follows the addition; here the map is what the layer writes
    to it, which has full rank nearly always, as has that of any layer without a ReLU: such layers are hardly ranked.

    The rank of a map of height x width is the number of its singular values above max(height, width) eps times the
    largest, with eps that of the activation's type. A linear layer's output is a map of one row: rank one, or zero
    where all is zero.

    The price is a singular value decomposition of every map of every example: on one core under a minute for a
    ResNet-20 and 1,024 pictures of 32 pixels, an estimated twenty minutes for a VGG-16 and as many of 224. Lin et al.
    take 500.

    activation: (batch, units, height, width) or (batch, units, positions...). Returns (units,).

    >>> one, two = [[1.0, 2.0], [2.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]
    >>> hrank(torch.tensor([[one, two], [two, two]])).tolist()
    [1.5, 2.0]
    """
    maps = activation if activation.ndim == 4 else activation.reshape(*activation.shape[:2], 1, -1)
    ranks: Tensor = torch.linalg.matrix_rank(maps)
    return ranks.to(activation.dtype).mean(dim=0)


CRITERION = Criterion(
    hrank,
    coupling="mean",
    published=Ranking("local"),
    reference="Lin et al. HRank: Filter Pruning using High-Rank Feature Map. CVPR 2020",
)
