"""Derivatives of the loss by a mask on each unit, the common part of Fisher and gate scores."""

from torch import Tensor


def mask_slopes(masked: Tensor, gradient: Tensor) -> Tensor:
    """Differentiate each sample's loss by a mask m on each unit, at m = 1.

    The derivative is the masked values times their gradient, summed over positions.

    masked, gradient: (batch, units, positions...), with the gradient of each sample's own loss. Returns (batch, units).

    >>> import torch
    >>> mask_slopes(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[2.0, 1.0]]]))
    tensor([[4.]])
    """
    return (masked * gradient).reshape(*masked.shape[:2], -1).sum(dim=2)


def half_mean_square(slopes: Tensor) -> Tensor:
    """Give half the Fisher information of each unit's mask, 1/2 mean_n (dL_n/dm)^2.

    slopes: (batch, units). Returns (units,).

    >>> import torch
    >>> half_mean_square(torch.tensor([[4.0], [-2.0]]))
    tensor([5.])
    """
    return 0.5 * slopes.square().mean(dim=0)
