"""Group Fisher pruning: Fisher information of one mask for all coupled layers (Liu et al., ICML 2021)."""

from torch import Tensor

from prunebench import Criterion, Ranking


def group_fisher(activation: Tensor, activation_grad: Tensor) -> Tensor:
    """Half the mean squared derivative of each sample's loss by a unit's mask, m = 1 on what its readers read.

    1/2 mean_n (dL_n/dm)^2, where dL_n/dm is the sum over positions of the feature map times its gradient, added over
    all layers that share the mask before it is squared. The paper's masks stand before the layers that *read* a
    residual stream. Here they stand behind those that *write* it, which for a stream of ReLU is the same: scaling
    all that is written scales all that is read (Euler's theorem), sample by sample.

    Where a depthwise convolution reads the unit, the mask acts on what it reads and on what is read from it, as in the
    paper: twice on the way.

    The paper divides by the memory that goes with the unit (ranking `per-memory`) or by its MACs (`per-cost`).

    activation, activation_grad: (batch, units, positions...), the gradient of each sample's own loss; a coupled
    group's layers come concatenated along positions. Returns (units,), loss.

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
