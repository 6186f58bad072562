"""APoZ: how often a unit is silent (Hu et al., Network Trimming, 2016)."""

from torch import Tensor

from prunebench import Criterion, Ranking


def apoz(feature_map: Tensor) -> Tensor:
    """Fraction of examples and positions at which a unit is active: 1 - APoZ, the average percentage of zeros (eq. 1).

    Values that are not positive count as zero. After a ReLU, this is the paper's count. After another nonlinearity or
    none, it counts what a ReLU would let through.

    feature_map: (batch, units, positions...), after BatchNorm and nonlinearity. For a layer that writes to a residual
    stream, feature_map is the stream after the addition and its nonlinearity, if any. In DenseNet, where the next
    BatchNorm reads several layers, it is the layer's own output. Returns (units,), in [0, 1].

    >>> import torch
    >>> apoz(torch.tensor([[[0.0, 3.0], [0.0, 0.0]], [[2.0, 1.0], [0.5, 0.0]]]))
    tensor([0.7500, 0.2500])
    """
    active = (feature_map > 0).reshape(*feature_map.shape[:2], -1)
    return active.to(feature_map.dtype).mean(dim=(0, 2))


CRITERION = Criterion(
    apoz,
    coupling="mean",
    published=Ranking("local"),
    reference="Hu, Peng, Tai, Tang. Network Trimming. 2016, arXiv 1607.03250, eq. 1",
)
