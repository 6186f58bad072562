"""Growing regularisation: an L2 penalty, with a growing factor, on the units to remove (Wang et al., ICLR 2021)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from prunebench import Attached, Criterion, Network, Ranking, UnitWeights, check_strength
from prunebench.criteria._pushing import lowest, written_by
from prunebench.criteria.l1 import l1


@dataclass(frozen=True)
class Growing:
    """GReg-1: the term factor/2 ||W_f||^2 on the units of least L1 norm in every group; the others stay free.

    The factor grows until the kept units are `ratio` times as large as the pushed ones in every group, or up to the
    ceiling. Then it stays. The rate is constant, as published.

    The authors' code has delta 1e-4, K_u 5 or 10, rate 1e-3, and after the growth 10,000 or more steps. Trainings here
    have a few hundred steps, so the default strength is a hundred times theirs. Their ratios are of layers, since they
    prune no coupled ones; here they are of groups. Their share is the share to prune. Here one sparse training serves
    all keeps, so `share` acts on training only.

    Args:
        strength: what every update adds to the factor (the paper's delta lambda).
        every: training steps between two updates (the paper's K_u).
        share: fraction of each group's units that the term acts on, rounded up, but never all.
        ceiling: largest factor (the paper's tau).
        ratio: the growth ends when the moving averages of all groups' magnitude ratios reach this number.
    """

    constant_rate: ClassVar[bool] = True
    strength: float
    every: Annotated[int, Field(ge=1)] = 10
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    ceiling: Annotated[float, Field(gt=0)] = 1.0
    ratio: Annotated[float, Field(gt=1)] = 1000.0

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: Network, generator: torch.Generator) -> "AttachedGrowing":
        """Choose the units and begin with the first increment."""
        return AttachedGrowing(self, network)


class AttachedGrowing(Attached):
    """The growing term on one network. factor: of the current step; done: whether it has stopped growing."""

    def __init__(self, rule: Growing, network: Network) -> None:
        self.rule, self.parameters, self.rate_factor = rule, list[nn.Parameter](), 1.0
        self._layers = {group.name: written_by(network, group) for group in network.table.groups}
        self._chosen = {name: lowest(_norms(layers), rule.share) for name, layers in self._layers.items()}
        self._steps, self._average = 0, list[Tensor]()
        self.factor, self.done = 0.0, False
        self._grow()

    def draw(self) -> None:
        """Begin a step; the factor grows every `every` steps."""
        if self._steps and self._steps % self.rule.every == 0 and not self.done:
            self._grow()
        self._steps += 1

    def penalty(self) -> Tensor:
        """Return half the factor times the squared norm of the chosen units' weights; a scalar."""
        return 0.5 * self.factor * self._squares()

    def measure(self) -> Tensor:
        """Return the term with the first factor; a scalar."""
        return 0.5 * min(self.rule.strength, self.rule.ceiling) * self._squares()

    def pushed(self) -> dict[str, Tensor]:
        """Return the units that the term acts on."""
        return self._chosen

    def _grow(self) -> None:
        self.factor = min(self.factor + self.rule.strength, self.rule.ceiling)
        now = [magnitude_ratio(_norms(layers), self._chosen[name]) for name, layers in self._layers.items()]
        past = self._average or now
        self._average = [0.9 * old + 0.1 * new for old, new in zip(past, now, strict=True)]
        far = bool(torch.stack(self._average).ge(self.rule.ratio).all())
        self.done = far or self.factor >= self.rule.ceiling

    def _squares(self) -> Tensor:
        sums = [part.sums(torch.square)[self._chosen[name]] for name, parts in self._layers.items() for part in parts]
        return torch.stack([squares.sum() for squares in sums]).sum()


def magnitude_ratio(norms: Tensor, pushed: Tensor) -> Tensor:
    """Divide the mean norm of the kept units by that of the pushed ones; infinite where these are zero, or none.

    norms: (units,); pushed: bool (units,). Returns a scalar.

    >>> magnitude_ratio(torch.tensor([6.0, 1.0, 3.0]), torch.tensor([False, True, True])).item()
    3.0
    """
    below = norms[pushed].mean() if pushed.any() else norms.new_zeros(())
    return norms[~pushed].mean() / below if below > 0 else torch.full_like(below, torch.inf)


def _norms(layers: list[UnitWeights]) -> Tensor:
    """L1 norm of every unit over the layers that write it. Returns (units,)."""
    return torch.stack([layer.sums(Tensor.abs).detach() for layer in layers]).sum(dim=0)


CRITERION = Criterion(
    l1,  # the same norm chooses the units in training
    name="growing_reg",
    regulariser=Growing(strength=1e-2),
    published=Ranking("local"),
    reference="Wang, Qin, Zhang, Fu. Neural Pruning via Growing Regularization. ICLR 2021 (GReg-1)",
)
