"""L1: sparse training with the L1 norm of the weights, then the L1 norm as score."""

from torch import Tensor

from prunebench import Criterion, Penalty, Ranking


def l1_norm(weight: Tensor) -> Tensor:
    """Sum of the absolute weights, of linear layers too, as the LASSO is of all; its gradient at zero is zero.

    weight: (units, inputs, positions). Returns a scalar.

    >>> import torch
    >>> l1_norm(torch.tensor([[[1.0, -2.0]]]))
    tensor(3.)
    """
    return weight.abs().sum()


def l1(weight: Tensor) -> Tensor:
    """L1 norm of each unit's weights. weight: (units, fan_in). Returns (units,).

    >>> import torch
    >>> l1(torch.tensor([[1.0, -2.0], [0.0, 0.5]])).tolist()
    [3.0, 0.5]
    """
    return weight.abs().sum(dim=1)


CRITERION = Criterion(
    l1,
    regulariser=Penalty(l1_norm, strength=1e-4, linear=True),
    published=Ranking("local"),
    reference="Tibshirani. J. R. Stat. Soc. B 1996 (penalty); Li et al. ICLR 2017 (score)",
)
