"""Group Fisher pruning: Fisher information of one mask for all coupled layers (Liu et al., ICML 2021)."""

from torch import Tensor

from prunebench import Criterion, Ranking


def group_fisher(activation: Tensor, activation_grad: Tensor) -> Tensor:
    """Half the mean squared derivative of each sample's loss by a unit's mask, 1/2 mean_n (dL_n/dm)^2 at m = 1.

    The mask multiplies the feature map that the next layers read. dL_n/dm is the feature map times its gradient, summed
    over positions. The terms of all layers that share the mask are added before squaring.

    The paper's masks stand before the layers that *read* a residual stream. Here the masks stand after the layers that
    *write* the stream. On a stream of ReLU both give the same derivative of each sample's loss: scaling all that is
    written scales all that is read (Euler's theorem).

    Where a depthwise convolution reads the unit, the mask acts twice, as in the paper: on the convolution's input and
    on its output. The paper divides by the memory that is removed with the unit (ranking `per-memory`) or by its MACs
    (`per-cost`).

    activation, activation_grad: (batch, units, positions...), with the gradient of each sample's own loss. The layers
    of a coupled group come concatenated along positions. Returns (units,), loss.

    >>> import torch
    >>> group_fisher(torch.tensor([[[1.0, 2.0]], [[1.0, 0.0]]]), torch.tensor([[[2.0, 1.0]], [[-2.0, 5.0]]]))
    tensor([5.])
    """
    change = (activation * activation_grad).reshape(*activation.shape[:2], -1).sum(dim=2)
    return 0.5 * change.square().mean(dim=0)


CRITERION = Criterion(
    group_fisher,
    scale="loss",
    coupling="joint",
    published=Ranking("per-memory"),
    reference="Liu et al. Group Fisher Pruning for Practical Network Compression. ICML 2021, section 3",
)
