"""Wanda: weights times the norm of their inputs (Sun, Liu, Bair & Kolter, ICLR 2024), summed over a unit."""

from torch import Tensor

from prunebench import Criterion, Ranking


def wanda(weight: Tensor, input_norm: Tensor) -> Tensor:
    """Sum of |w_ij| ||x_j||_2 over a unit's weights (eq. 1).

    Sun et al. score the single weights of linear layers. Here x_j holds the inputs of weight j at all positions of the
    output, so an input channel of a k x k convolution has k x k norms.

    For single weights, `local` ranking compares weights within a layer; the paper compares weights within a row.

    weight, input_norm: (units, fan_in). Returns (units,).

    >>> import torch
    >>> wanda(torch.tensor([[1.0, -2.0], [0.0, 3.0]]), torch.tensor([[5.0, 0.5], [5.0, 0.5]]))
    tensor([6.0000, 1.5000])
    """
    return (weight.abs() * input_norm).sum(dim=1)


CRITERION = Criterion(
    wanda,
    published=Ranking("local"),
    reference="Sun et al. A Simple and Effective Pruning Approach for Large Language Models. ICLR 2024, eq. 1",
)
