"""Group norm: a penalty on all weights that go with a unit, weaker for stronger units (DepGraph, Fang et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from prunebench.criterion import Criterion, Ranking
from prunebench.errors import UserError
from prunebench.network import Network
from prunebench.options import Value
from prunebench.regulariser import AttachedTerm, check_strength, with_fields
from prunebench.unit_weights import UnitWeights, unit_weights


def shrinkage(importance: Tensor, alpha: float) -> Tensor:
    """Factors from 1, for the strongest unit, to 2^alpha, for the weakest; ones where all are equal.

    gamma_k = 2^(alpha (I_max - I_k) / (I_max - I_min)). importance: (units,). Returns (units,).

    >>> shrinkage(torch.tensor([9.0, 5.0, 1.0]), 4.0).tolist()
    [1.0, 4.0, 16.0]
    """
    spread = importance.max() - importance.min()
    share = (importance.max() - importance) / spread if spread > 0 else torch.zeros_like(importance)
    return torch.exp2(alpha * share)


@dataclass(frozen=True)
class GroupNorm:
    """Sum over groups and units k of gamma_k I_k: I_k the sum of squares of everything that goes with unit k.

    These are the weights of its outputs in all layers that write it, of their BatchNorms, and of the inputs of all
    layers that read it. The factors gamma_k (see `shrinkage`) follow the weights and are constants in the gradient.

    Args:
        strength: the factor of the sum.
        alpha: the factors lie between 1 and 2^alpha; 4 in the paper.
        lasso: take the root of I_k, the group lasso over coupled units, with `eps` inside it.
    """

    strength: float
    alpha: float = 4.0
    lasso: bool = False
    eps: float = 1e-12

    def __post_init__(self) -> None:
        check_strength(self.strength)
        if self.alpha < 0:
            raise UserError(f"alpha={self.alpha:g}: it must not be negative, strong units would be punished most")

    def attach(self, network: Network, generator: torch.Generator) -> AttachedTerm:
        """Put the term on all units of a network that are still there."""
        groups = [unit_weights(network, group) for group in network.table.groups]
        return AttachedTerm(lambda: self.strength * torch.stack([self._term(pieces) for pieces in groups]).sum())

    def with_options(
        self, where: str, given: Mapping[str, str], also: Mapping[str, Value]
    ) -> tuple["GroupNorm", dict[str, Value]]:
        """Set `strength`, `alpha`, `lasso` and `eps` by name."""
        return with_fields(self, where, given, also)

    def _term(self, pieces: list[UnitWeights]) -> Tensor:
        squares = torch.stack([piece.sums(torch.square) for piece in pieces]).sum(dim=0)
        term = (squares + self.eps).sqrt() if self.lasso else squares
        return (shrinkage(squares.detach(), self.alpha) * term).sum()


def group_norm(weight: Tensor) -> Tensor:
    """L2 norm of a unit's weights in all layers that write it.

    Fang et al. sum squares over everything that goes with the unit, what reads it too, as the penalty here does.

    weight: (units, fan_in), the layers of a coupled group concatenated. Returns (units,).

    >>> group_norm(torch.tensor([[3.0, -4.0]]))
    tensor([5.])
    """
    norm: Tensor = torch.linalg.vector_norm(weight, dim=1)
    return norm


CRITERION = Criterion(
    group_norm,
    regulariser=GroupNorm(strength=1e-4),
    coupling="joint",
    published=Ranking("global", normalise="mean"),
    reference="Fang, Ma, Song, Mi, Wang. DepGraph: Towards Any Structural Pruning. CVPR 2023, eq. 4",
)
