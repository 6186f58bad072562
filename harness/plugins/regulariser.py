"""What is added to the loss in a sparse-training phase: a penalty on the weights, or gates on the units."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from prunebench.errors import CellError, UserError
from prunebench.plugins.options import Value, check_choices, convert, keyword_defaults

if TYPE_CHECKING:
    from prunebench.pruning.network import Network


R = TypeVar("R", bound="Regulariser")


class Attached(Protocol):
    """A regulariser at work on one network."""

    parameters: list[nn.Parameter]  # what it trains beside the network's own
    rate_factor: float  # their learning rate, as a multiple of the network's

    def draw(self) -> None:
        """Begin a training step: draw the step's randomness, if any."""

    def penalty(self) -> Tensor:
        """Give the term to add to the mean loss, strength included; a scalar."""

    def measure(self) -> Tensor:
        """Give the term with the factors that it begins with, where they change in training; a scalar."""

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


def with_fields(rule: R, where: str, given: Mapping[str, str], also: Mapping[str, Value]) -> tuple[R, dict[str, Value]]:
    """Set options of a regulariser that is a frozen dataclass: its fields, by name. See `Regulariser.with_options`."""
    own: dict[str, Value] = {f.name: getattr(rule, f.name) for f in fields(rule)}  # type: ignore[arg-type]
    values = convert(where, given, {**also, **own})
    mine: dict[str, Any] = {name: value for name, value in values.items() if name in own}
    return replace(rule, **mine), values  # type: ignore[type-var]


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

    def attach(self, network: "Network", generator: torch.Generator) -> "AttachedTerm":
        """Put the penalty on the layers of a network; the generator is not used."""
        kinds = (nn.Conv2d, nn.Linear) if self.linear else (nn.Conv2d,)
        weights = [m.weight for m in network.model.modules() if isinstance(m, kinds)]
        return AttachedTerm(lambda: self.strength * self.value(weights))

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
        check_choices(where, self.function, values)
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
class AttachedTerm:
    """A function of the network's weights, at work: nothing of its own to train, to draw or to leave behind."""

    term: Callable[[], Tensor]
    parameters: list[nn.Parameter] = field(default_factory=list)
    rate_factor: float = 1.0

    def draw(self) -> None:
        """Do nothing: there is no randomness."""

    def penalty(self) -> Tensor:
        """Give the term; a scalar."""
        return self.term()

    def measure(self) -> Tensor:
        """Give the term; a scalar."""
        return self.penalty()

    def detach(self) -> dict[str, Tensor]:
        """Leave nothing behind."""
        return {}
