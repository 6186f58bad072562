"""What is added to the loss in a sparse-training phase: a penalty on the weights, or gates on the units."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from prunebench.errors import CellError, UserError
from prunebench.options import Value, convert, keyword_defaults

if TYPE_CHECKING:
    from prunebench.network import Network


class Attached(Protocol):
    """A regulariser at work on one network."""

    parameters: list[nn.Parameter]  # what it trains beside the network's own
    rate_factor: float  # their learning rate, as a multiple of the network's

    def draw(self) -> None:
        """Begin a training step: draw the step's randomness, if any."""

    def penalty(self) -> Tensor:
        """Give the term to add to the mean loss, strength included; a scalar."""

    def detach(self) -> dict[str, Tensor]:
        """Undo the attachment, fold what it learned into the network; give log alpha (units,) by group, or nothing."""


class Regulariser(Protocol):
    """What a `Criterion` may bring for its sparse-training phase."""

    @property
    def strength(self) -> float:
        """The factor of the term."""

    def attach(self, network: "Network", generator: torch.Generator) -> Attached:
        """Put the regulariser to work on a network."""

    def with_options(
        self, where: str, given: Mapping[str, str], also: Mapping[str, Value]
    ) -> "tuple[Regulariser, dict[str, Value]]":
        """Set options by name; `also` names the others that were allowed, for the error. Gives those set, too."""


def check_strength(strength: float) -> None:
    """Raise `UserError` for a strength that would reward what it is to punish."""
    if not 0 <= strength < math.inf:
        raise UserError(f"strength={strength:g}: a regulariser's strength must be zero or a positive number")


@dataclass(frozen=True)
class Penalty:
    """A function of a layer's weights, summed over the layers.

    Args:
        function: ``(units, inputs, positions) -> scalar``, differentiable, its gradient finite at zero. Keyword-only
            arguments are options.
        strength: the factor of the sum.
        linear: penalise linear layers too (each weight is then one position).
    """

    function: Callable[..., Tensor]
    strength: float
    linear: bool = False
    options: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: "Network", generator: torch.Generator) -> "AttachedPenalty":
        """Put the penalty on the layers of a network; the generator is not used."""
        kinds = (nn.Conv2d, nn.Linear) if self.linear else (nn.Conv2d,)
        layers = [m for m in network.model.modules() if isinstance(m, kinds)]
        return AttachedPenalty(self, [layer.weight for layer in layers])

    def value(self, weights: list[Tensor]) -> Tensor:
        """Sum of the function over layers' weights, without the strength; a scalar."""
        options = dict(self.options)
        terms = [_scalar(self.function, w.reshape(w.shape[0], w.shape[1], -1), options) for w in weights]
        return torch.stack(terms).sum() if terms else torch.zeros(())

    def with_options(
        self, where: str, given: Mapping[str, str], also: Mapping[str, Value]
    ) -> "tuple[Penalty, dict[str, Value]]":
        """Set `strength`, `linear` and the function's own options by name."""
        own = keyword_defaults(self.function)
        base: dict[str, Value] = {"strength": self.strength, "linear": self.linear}
        values = convert(where, given, {**also, **base, **own})
        merged = {**dict(self.options), **{k: v for k, v in values.items() if k in own}}
        changed = replace(
            self,
            strength=float(values.get("strength", self.strength)),
            linear=bool(values.get("linear", self.linear)),
            options=tuple(sorted(merged.items())),
        )
        return changed, values


def _scalar(function: Callable[..., Tensor], weight: Tensor, options: Mapping[str, Value]) -> Tensor:
    value = function(weight, **options)
    if not isinstance(value, Tensor) or value.ndim:
        what = f"a term of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise CellError(
            f"regulariser '{getattr(function, '__name__', function)}' gives {what}, it must be a scalar tensor"
        )
    return value


@dataclass
class AttachedPenalty:
    """A penalty on the weights of one network."""

    rule: Penalty
    weights: list[Tensor]

    def __post_init__(self) -> None:
        self.parameters: list[nn.Parameter] = []
        self.rate_factor = 1.0

    def draw(self) -> None:
        """Do nothing: a penalty has no randomness."""

    def penalty(self) -> Tensor:
        """Strength times the sum over layers; a scalar."""
        return self.rule.strength * self.rule.value(self.weights)

    def detach(self) -> dict[str, Tensor]:
        """Leave nothing behind."""
        return {}
