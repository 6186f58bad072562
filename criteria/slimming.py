"""Network slimming: sparse training with the L1 norm of BatchNorm weights, then |gamma| (Liu et al., ICCV 2017)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunebench import AttachedTerm, CellError, Criterion, Network, Ranking, check_strength


@dataclass(frozen=True)
class BatchNormL1:
    """L1 norm of the weights gamma of all BatchNorms (eq. 1, g(gamma) = |gamma|); its gradient at zero is zero.

    As published, units without a BatchNorm are not penalised, such as those of most linear layers.
    """

    strength: float

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: Network, generator: torch.Generator) -> AttachedTerm:
        """Penalise a network's BatchNorms. Raises `CellError` if the network has none with weights."""
        norms = [m for m in network.model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        gammas = [m.weight for m in norms if m.affine]
        if not gammas:
            raise CellError("slimming needs BatchNorm weights, this network has none; choose a model with BatchNorm")
        return AttachedTerm(lambda: self.strength * torch.stack([gamma.abs().sum() for gamma in gammas]).sum())


def slimming(gamma: Tensor) -> Tensor:
    """Absolute weight of the BatchNorm that follows a unit's layer, |gamma|.

    A unit without a BatchNorm of its own, as in DenseNet, takes the largest |gamma| of the BatchNorms that read it. The
    authors' code compares every |gamma| with one threshold, and cuts each reader's input by itself. Then exactly the
    units that score no more than the threshold have no reader left. Where no BatchNorm follows or reads, the score is
    one for every unit: nothing tells such units apart.

    gamma: (units,). Returns (units,).

    >>> slimming(torch.tensor([0.5, -2.0])).tolist()
    [0.5, 2.0]
    """
    return gamma.abs()


CRITERION = Criterion(
    slimming,
    regulariser=BatchNormL1(strength=3e-3),
    coupling="mean",  # on the scale of single gammas, which one threshold cuts in the paper
    published=Ranking("global"),
    reference="Liu et al. Learning Efficient Convolutional Networks through Network Slimming. ICCV 2017, eq. 1",
)
