"""Mean activation: the size of a unit's feature map (a baseline of Molchanov et al., ICLR 2017, section 2.2)."""

from torch import Tensor

from prunebench import Criterion, Ranking
from prunebench.criteria.taylor_activation import l2_normalised


def mean_activation(feature_map: Tensor) -> Tensor:
    """Mean of |z| over examples and positions, with z the unit's feature map after its nonlinearity.

    After a ReLU, this is the paper's mean of z. Where no ReLU follows, the absolute value matters: the mean of a signed
    map does not tell its size.

    feature_map: (batch, units, positions...), after BatchNorm and nonlinearity. For a layer that writes to a residual
    stream, feature_map is the stream after the addition and its nonlinearity, if any. In DenseNet, where the next
    BatchNorm reads several layers, it is the layer's own output. Returns (units,).

    >>> import torch
    >>> mean_activation(torch.tensor([[[0.0, 3.0], [0.0, 0.0]], [[2.0, 1.0], [0.5, 0.0]]]))
    tensor([1.5000, 0.1250])
    """
    return feature_map.abs().reshape(*feature_map.shape[:2], -1).mean(dim=(0, 2))


CRITERION = Criterion(
    mean_activation,
    coupling="mean",
    finish=l2_normalised,
    published=Ranking("global"),
    reference="Molchanov et al. Pruning Convolutional Neural Networks for Resource Efficient Inference. ICLR 2017, "
    "section 2.2",
)
