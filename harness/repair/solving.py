"""Least squares from sums over samples: the change of a layer's weights and bias that best gives wanted outputs."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

SMALLEST = 1e-30  # of the ridge, so that inputs that are always zero can be solved, too
ROUNDING = 1e-10  # of the mean square of the inputs: below, a variance is rounding alone


@dataclass(eq=False)
class Sums:
    """Sums over samples for the groups of a convolution, in float64; a layer without groups has one.

    count: number of samples. inputs: (groups, fan_in). errors: (groups, units), wanted minus given outputs. gram:
    (groups, fan_in, fan_in), products of inputs. cross: (groups, fan_in, units), products of inputs and errors.
    """

    inputs: Tensor
    errors: Tensor
    gram: Tensor
    cross: Tensor
    count: int = 0

    @classmethod
    def zeros(cls, groups: int, fan_in: int, units: int, device: torch.device) -> "Sums":
        """Start before the first sample."""
        zeros = partial(torch.zeros, dtype=torch.float64, device=device)
        gram, cross = zeros(groups, fan_in, fan_in), zeros(groups, fan_in, units)
        return cls(zeros(groups, fan_in), zeros(groups, units), gram, cross)

    def add(self, inputs: Tensor, errors: Tensor) -> None:
        """Add samples. inputs: (batch, groups, fan_in, positions). errors: (batch, groups, units, positions)."""
        x, e = (part.to(self.gram).permute(1, 2, 0, 3).flatten(2) for part in (inputs, errors))
        self.inputs += x.sum(2)
        self.errors += e.sum(2)
        self.gram.baddbmm_(x, x.mT)
        self.cross.baddbmm_(x, e.mT)
        self.count += x.shape[2]


def fitted_change(sums: Sums, ridge: float, intercept: bool) -> tuple[Tensor, Tensor]:
    """Find the change of weights, and of the bias, after which the squared error of the outputs is least.

    Minimises ||X D + 1 b - E||^2 + r ||D||^2 over D and b, for inputs X and errors E of the layer as it is. The ridge r
    draws towards the layer's own weights. So the squared error on these samples never grows. Inputs that do not vary
    move the bias alone. The sums are overwritten: a copy of a large gram may not fit into memory.

    Args:
        sums: over samples.
        ridge: r, as a share of the mean variance of the inputs (without an intercept, of their mean square).
        intercept: whether the layer may get another bias; else b is zero.

    Returns:
        D (groups, units, fan_in) and b (groups, units), in float64.

    >>> sums = Sums.zeros(1, 2, 1, torch.device("cpu"))
    >>> x = torch.tensor([[1.0, 0.0, 2.0, 3.0], [0.0, 1.0, 1.0, 5.0]])  # (fan_in, samples)
    >>> sums.add(x[None, None], (2 * x[:1] - x[1:] + 3)[None, None])
    >>> weight, bias = fitted_change(sums, 1e-12, intercept=True)
    >>> [round(number, 6) for number in [*weight.flatten().tolist(), *bias.flatten().tolist()]]
    [2.0, -1.0, 3.0]
    """
    mean, error = sums.inputs / sums.count, sums.errors / sums.count
    least = ROUNDING * sums.gram.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True)
    if intercept:
        sums.gram.baddbmm_(mean[:, :, None], mean[:, None], alpha=-sums.count)
        sums.cross.baddbmm_(mean[:, :, None], error[:, None], alpha=-sums.count)
    weight = ridge_solution(sums.gram, sums.cross, ridge, least).mT
    bias = error - (weight @ mean[:, :, None])[..., 0] if intercept else torch.zeros_like(error)
    return weight, bias


def ridge_solution(gram: Tensor, cross: Tensor, ridge: float, least: Tensor | float = 0.0) -> Tensor:
    """Solve (G + r I) D = C. gram: G (..., n, n), overwritten. cross: C (..., n, k).

    ridge: r, as a share of the mean of diag G. least: smallest r, (..., 1).

    >>> ridge_solution(torch.diag(torch.tensor([1.0, 3.0])), torch.tensor([[4.0], [8.0]]), 0.5)  # r = 1
    tensor([[2.],
            [2.]])
    """
    diagonal = gram.diagonal(dim1=-2, dim2=-1)
    r = (ridge * diagonal.mean(-1, keepdim=True)).clamp_min(SMALLEST)
    diagonal += torch.maximum(r, torch.as_tensor(least).to(r))
    return torch.cholesky_solve(cross, torch.linalg.cholesky(gram))
