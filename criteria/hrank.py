"""HRank: the rank of a unit's feature maps (Lin et al., CVPR 2020)."""

import torch
from torch import Tensor

from prunebench import Criterion, Ranking


def hrank(feature_map: Tensor) -> Tensor:
    """Mean over examples of the rank of a unit's feature map after its nonlinearity.

    For a layer that writes to a residual stream, the feature map is the stream after the addition and its nonlinearity,
    if any, as in the authors' code. A map that no ReLU follows (LeNet-5, linear bottlenecks) nearly always has full
    rank: the score hardly ranks such layers.

    The rank of a height x width map is the number of singular values above max(height, width) eps times the largest,
    with the eps of the map's type. A linear layer's output is a map of one row: rank one, or zero where all is zero.

    Every map of every example needs a singular value decomposition. With 1,024 pictures, one core takes under a minute
    for a ResNet-20 at 32 pixels, and an estimated twenty minutes for a VGG-16 at 224 pixels. Lin et al. take 500
    pictures.

    feature_map: (batch, units, height, width) or (batch, units, positions...). Returns (units,).

    >>> one, two = [[1.0, 2.0], [2.0, 4.0]], [[1.0, 0.0], [0.0, 1.0]]
    >>> hrank(torch.tensor([[one, two], [two, two]])).tolist()
    [1.5, 2.0]
    """
    flat = feature_map.ndim != 4
    maps = feature_map.reshape(*feature_map.shape[:2], 1, -1) if flat else feature_map
    ranks: Tensor = torch.linalg.matrix_rank(maps)
    return ranks.to(feature_map.dtype).mean(dim=0)


CRITERION = Criterion(
    hrank,
    coupling="mean",
    published=Ranking("local"),
    reference="Lin et al. HRank: Filter Pruning using High-Rank Feature Map. CVPR 2020",
)
