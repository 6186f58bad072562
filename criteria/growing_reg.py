"""Growing regularisation: an L2 penalty on the units to be removed, whose factor grows (Wang et al., ICLR 2021)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunebench import Criterion, Network, Ranking, UnitWeights, UserError, check_strength, unit_weights
from prunebench.criteria.l1 import l1


@dataclass(frozen=True)
class Growing:
    """GReg-1: in every group the units of least L1 norm get the term factor / 2 ||W_f||^2; the others stay free.

    The default strength is 1e-2, a hundred times the paper's 1e-4, since short trainings have few updates. What is
    pruned in the end goes by the keep that was asked for, not by `share`.

    Args:
        strength: what the factor grows by at every update (the paper's delta lambda).
        every: training steps from one update to the next (its K_u).
        share: of each group's units, those that the term acts on; whatever the keep.
        ceiling: of the factor (its tau).
    """

    strength: float
    every: int = 10
    share: float = 0.5
    ceiling: float = 1.0

    def __post_init__(self) -> None:
        check_strength(self.strength)
        if self.every < 1 or not 0 < self.share < 1 or not self.ceiling > 0:
            given = f"every={self.every}, share={self.share:g}, ceiling={self.ceiling:g}"
            raise UserError(f"{given}: every must be at least 1, share between 0 and 1, ceiling positive")

    def attach(self, network: Network, generator: torch.Generator) -> "AttachedGrowing":
        """Choose the units and begin with the first increment."""
        return AttachedGrowing(self, network)


class AttachedGrowing:
    """The growing term at work on one network."""

    def __init__(self, rule: Growing, network: Network) -> None:
        self.rule, self.parameters, self.rate_factor = rule, list[nn.Parameter](), 1.0
        self._steps = 0
        self._chosen: list[tuple[UnitWeights, Tensor]] = []
        for group in network.table.groups:
            pieces = [p for p in unit_weights(network, group) if p.side == "out" and p.layer in group.producers]
            norms = torch.stack([piece.sums(Tensor.abs).detach() for piece in pieces]).sum(dim=0)
            lowest = norms.argsort(stable=True)[: int(rule.share * len(norms))]
            self._chosen += [(piece, lowest) for piece in pieces]

    @property
    def factor(self) -> float:
        """The factor of the step that is going on."""
        updates = 1 + max(0, self._steps - 1) // self.rule.every
        return min(updates * self.rule.strength, self.rule.ceiling)

    def draw(self) -> None:
        """Begin a step: every so many of them the factor grows."""
        self._steps += 1

    def penalty(self) -> Tensor:
        """Half the factor times the squared norm of the chosen units' weights; a scalar."""
        return 0.5 * self.factor * self._squares()

    def measure(self) -> Tensor:
        """Give the term with the first factor; a scalar."""
        return 0.5 * min(self.rule.strength, self.rule.ceiling) * self._squares()

    def detach(self) -> dict[str, Tensor]:
        """Leave nothing behind."""
        return {}

    def _squares(self) -> Tensor:
        return torch.stack([piece.sums(torch.square)[units].sum() for piece, units in self._chosen]).sum()


CRITERION = Criterion(
    l1,  # the norm that also chose the units whose factor grew
    name="growing_reg",
    regulariser=Growing(strength=1e-2),
    published=Ranking("local"),
    reference="Wang, Qin, Zhang, Fu. Neural Pruning via Growing Regularization. ICLR 2021 (GReg-1)",
)
