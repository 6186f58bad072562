"""Growing regularisation: an L2 penalty, with a growing factor, on the units to remove (Wang et al., ICLR 2021)."""

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from prunebench import Attached, Criterion, Network, Ranking, UnitWeights, check_strength, unit_weights
from prunebench.criteria.l1 import l1


@dataclass(frozen=True)
class Growing:
    """GReg-1: the term factor/2 ||W_f||^2 on the units of least L1 norm in every group; the others stay free.

    The default strength is 1e-2, a hundred times the paper's 1e-4, since short trainings have few updates. `share` acts
    on training only: the requested keep decides how many units are pruned.

    Args:
        strength: what every update adds to the factor (the paper's delta lambda).
        every: training steps between two updates (the paper's K_u).
        share: fraction of each group's units that the term acts on, whatever the keep.
        ceiling: largest factor (the paper's tau).
    """

    strength: float
    every: Annotated[int, Field(ge=1)] = 10
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    ceiling: Annotated[float, Field(gt=0)] = 1.0

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: Network, generator: torch.Generator) -> "AttachedGrowing":
        """Choose the units and begin with the first increment."""
        return AttachedGrowing(self, network)


class AttachedGrowing(Attached):
    """The growing term on one network."""

    def __init__(self, rule: Growing, network: Network) -> None:
        self.rule, self.parameters, self.rate_factor = rule, list[nn.Parameter](), 1.0
        self._steps = 0
        self._chosen: list[tuple[UnitWeights, Tensor]] = []
        for group in network.table.groups:
            layers = [p for p in unit_weights(network, group) if p.side == "out" and p.layer in group.producers]
            norms = torch.stack([layer.sums(Tensor.abs).detach() for layer in layers]).sum(dim=0)
            lowest = norms.argsort(stable=True)[: int(rule.share * len(norms))]
            self._chosen += [(layer, lowest) for layer in layers]

    @property
    def factor(self) -> float:
        """Factor of the current step."""
        updates = 1 + max(0, self._steps - 1) // self.rule.every
        return min(updates * self.rule.strength, self.rule.ceiling)

    def draw(self) -> None:
        """Begin a step; the factor grows every `every` steps."""
        self._steps += 1

    def penalty(self) -> Tensor:
        """Return half the factor times the squared norm of the chosen units' weights; a scalar."""
        return 0.5 * self.factor * self._squares()

    def measure(self) -> Tensor:
        """Return the term with the first factor; a scalar."""
        return 0.5 * min(self.rule.strength, self.rule.ceiling) * self._squares()

    def _squares(self) -> Tensor:
        return torch.stack([layer.sums(torch.square)[units].sum() for layer, units in self._chosen]).sum()


CRITERION = Criterion(
    l1,  # the same norm chooses the units in training
    name="growing_reg",
    regulariser=Growing(strength=1e-2),
    published=Ranking("local"),
    reference="Wang, Qin, Zhang, Fu. Neural Pruning via Growing Regularization. ICLR 2021 (GReg-1)",
)
