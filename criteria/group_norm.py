"""Group norm: a penalty on all weights removed with a unit, weaker for stronger units (DepGraph, Fang et al. 2023)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunebench import AttachedTerm, ModelScore, Network, Ranking, UnitWeights, check_strength, unit_weights


def shrinkage(importance: Tensor, alpha: float) -> Tensor:
    """Factors from 1 for the strongest unit to 2^alpha for the weakest; ones if all units are equal.

    gamma_k = 2^(alpha (I_max - I_k) / (I_max - I_min)). importance: (units,). Returns (units,).

    >>> shrinkage(torch.tensor([9.0, 5.0, 1.0]), 4.0).tolist()
    [1.0, 4.0, 16.0]
    """
    spread = importance.max() - importance.min()
    share = (importance.max() - importance) / spread if spread > 0 else torch.zeros_like(importance)
    return torch.exp2(alpha * share)


@dataclass(frozen=True)
class GroupNorm:
    """Sum of gamma_k I_k over groups and units k, with I_k the sum of squares of all weights removed with unit k.

    These are the weights of the unit's outputs in all layers that write it, of their BatchNorms, and of the inputs of
    all layers that read it, linear ones too. The factors gamma_k (see `shrinkage`) follow the weights and are constants
    in the gradient.

    Args:
        strength: the factor of the sum.
        alpha: the factors lie between 1 and 2^alpha; 4 in the paper.
        lasso: take the root of I_k, the group lasso over coupled units, with `eps` inside the root.
    """

    strength: float
    alpha: Annotated[float, Field(ge=0)] = 4.0  # below zero, strong units would be punished most
    lasso: bool = False
    eps: float = 1e-12

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: Network, generator: torch.Generator) -> AttachedTerm:
        """Penalise all units that the network still has."""
        groups = [unit_weights(network, group) for group in network.table.groups]
        return AttachedTerm(lambda: self.strength * torch.stack([self._term(pieces) for pieces in groups]).sum())

    def _term(self, pieces: list[UnitWeights]) -> Tensor:
        squares = sum_of_squares(pieces)
        term = (squares + self.eps).sqrt() if self.lasso else squares
        return (shrinkage(squares.detach(), self.alpha) * term).sum()


def sum_of_squares(pieces: Sequence[UnitWeights]) -> Tensor:
    """Sum of squares I_k of all weights removed with each unit. Returns (units,)."""
    return torch.stack([piece.sums(torch.square) for piece in pieces]).sum(dim=0)


def group_norm(
    network: Network, batches: Sequence[tuple[Tensor, Tensor]], generator: torch.Generator
) -> dict[str, Tensor]:
    """Sum of the squares of all weights removed with a unit, I_k of the penalty `GroupNorm` (eq. 4).

    The batches are not used. The authors divide by the group's mean before they compare units of different groups. They
    also divide by the number of layers, which then changes nothing. Returns (units,) by layer.
    """
    scores = {group.name: sum_of_squares(unit_weights(network, group)).detach() for group in network.table.groups}
    return network.by_layer(scores)


CRITERION = ModelScore(
    group_norm,
    regulariser=GroupNorm(strength=1e-4),
    coupling="first",
    data_free=True,
    published=Ranking("global", normalise="mean"),
    reference="Fang, Ma, Song, Mi, Wang. DepGraph: Towards Any Structural Pruning. CVPR 2023, eq. 4",
)
