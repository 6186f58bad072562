"""HRank: the rank of a unit's feature maps (Lin et al., CVPR 2020)."""

import torch
from torch import Tensor

from prunebench import Criterion, Ranking


def hrank(feature_map: Tensor) -> Tensor:
    """Mean over examples of the rank of a unit's feature map after its nonlinearity.

    That of a layer which writes to a residual stream is the stream behind the addition and its ReLU, as in the authors'
    code. A map that no ReLU follows (LeNet-5, linear bottlenecks) has full rank nearly always: such layers are hardly
    ranked.

    The rank of a map of height x width is the number of its singular values above max(height, width) eps times the
    largest, with eps that of the map's type. A linear layer's output is a map of one row: rank one, or zero
    where all is zero.

    The price is a singular value decomposition of every map of every example: on one core under a minute for a
    ResNet-20 and 1,024 pictures of 32 pixels, an estimated twenty minutes for a VGG-16 and as many of 224. Lin et al.
    take 500.

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
