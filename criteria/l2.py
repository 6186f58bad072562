"""L2: sparse training with the norm (not squared) of each layer's weights, then the L2 norm of a unit as score."""

from torch import Tensor

from prunebench import Criterion, Penalty, Ranking
from prunebench.criteria.magnitude import magnitude


def l2(weight: Tensor, *, eps: float = 1e-12) -> Tensor:
    """Norm of a layer's weights, ||W||_2. Unlike weight decay, its square, it pulls at small and large layers alike.

    The comparisons have it on convolutions alone.

    weight: (units, inputs, positions). eps: added inside the root. Returns a scalar.

    >>> import torch
    >>> l2(torch.tensor([[[3.0, -4.0]]]))
    tensor(5.)
    """
    return (weight.square().sum() + eps).sqrt()


CRITERION = Criterion(
    magnitude,
    name="l2",
    regulariser=Penalty(l2, strength=0.1),
    published=Ranking("global"),
    reference="penalty as in the comparisons of HSQGL12: the norm per layer, not squared",
)
