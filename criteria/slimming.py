"""Network slimming: sparse training with the L1 norm of BatchNorm weights, then their size (Liu et al., ICCV 2017)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunebench import AttachedTerm, CellError, Criterion, Network, Ranking, check_strength


@dataclass(frozen=True)
class BatchNormL1:
    """The L1 norm of the weights gamma of all BatchNorms (eq. 1, g(gamma) = |gamma|); its gradient at zero is zero."""

    strength: float

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: Network, generator: torch.Generator) -> AttachedTerm:
        """Put the term on a network's BatchNorms. Raises `CellError` where it has none."""
        norms = [m for m in network.model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        gammas = [m.weight for m in norms if m.affine]
        if not gammas:
            raise CellError("slimming needs BatchNorm with weights, this network has none")
        return AttachedTerm(lambda: self.strength * torch.stack([gamma.abs().sum() for gamma in gammas]).sum())


def slimming(gamma: Tensor) -> Tensor:
    """Size of the weight of the BatchNorm that follows, |gamma|; ones where none does.

    gamma: (units,). Returns (units,).

    >>> slimming(torch.tensor([0.5, -2.0])).tolist()
    [0.5, 2.0]
    """
    return gamma.abs()


CRITERION = Criterion(
    slimming,
    regulariser=BatchNormL1(strength=3e-3),
    published=Ranking("global"),
    reference="Liu et al. Learning Efficient Convolutional Networks through Network Slimming. ICCV 2017, eq. 1",
)
