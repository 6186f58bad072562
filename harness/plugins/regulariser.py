"""What is added to the loss in a sparse-training phase: a penalty on the weights, or gates on the units."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from prunebench.errors import CellError, UserError
from prunebench.plugins.options import Options, Value, field_options, function_options
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
    """What a `Criterion` may bring for its sparse-training phase.

    A frozen dataclass: each field that holds a number, a text or a truth value is an option of the criterion.
    """

    @property
    def strength(self) -> float:
        """The factor of the term."""

    def attach(self, network: Network, generator: torch.Generator) -> Attached:
        """Put the regulariser to work on a network."""


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

    def attach(self, network: Network, generator: torch.Generator) -> "AttachedTerm":
        """Put the penalty on the layers of a network; the generator is not used."""
        kinds = (nn.Conv2d, nn.Linear) if self.linear else (nn.Conv2d,)
        weights = [m.weight for m in network.model.modules() if isinstance(m, kinds)]
        return AttachedTerm(lambda: self.strength * self.value(weights))

    def value(self, weights: list[Tensor]) -> Tensor:
        """Sum of the function over layers' weights, without the strength; a scalar."""
        options = dict(self.options)
        terms = [_scalar(self.function, w.reshape(w.shape[0], w.shape[1], -1), options) for w in weights]
        return torch.stack(terms).sum() if terms else torch.zeros(())


def regulariser_options(regulariser: Regulariser) -> Options:
    """Give the options of a regulariser: the fields of its dataclass, and those of a penalty's function."""
    own = function_options(regulariser.function) if isinstance(regulariser, Penalty) else {}
    return field_options(regulariser) | own


def with_values(regulariser: R, values: Mapping[str, Any]) -> R:
    """Give a regulariser with other values of some of its options."""
    own = field_options(regulariser)
    changes = {name: value for name, value in values.items() if name in own}
    if isinstance(regulariser, Penalty):
        of_function = {name: value for name, value in values.items() if name not in own}
        changes["options"] = tuple(sorted({**dict(regulariser.options), **of_function}.items()))
    return replace(regulariser, **changes)  # type: ignore[type-var]


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
