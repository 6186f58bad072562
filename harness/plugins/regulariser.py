"""Regularisers of sparse training and fine-tuning: a penalty on the weights, or gates on the units."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from prunebench.errors import CellError, UserError, kind_of
from prunebench.plugins.options import Options, Value, field_options, function_options
from prunebench.pruning.network import Network

R = TypeVar("R", bound="Regulariser")


class Attached(Protocol):
    """A regulariser attached to one network. A subclass that draws, changes and leaves nothing adds `penalty` alone."""

    parameters: list[nn.Parameter]  # trained in addition to the network's own
    rate_factor: float  # learning rate of `parameters`, as a multiple of the network's

    def draw(self) -> None:
        """Begin a training step: draw the step's random numbers, if any."""
        return

    def penalty(self) -> Tensor:
        """Return the term to add to the mean loss, strength included; a scalar."""

    def measure(self) -> Tensor:
        """Return the term with the initial values of factors that change in training; a scalar."""
        return self.penalty()

    def detach(self) -> dict[str, Tensor]:
        """Fold learned parameters into the network and remove hooks. Returns log alpha (units,) by group, if any."""
        return {}

    def pushed(self) -> dict[str, Tensor]:
        """Return the units that the term pushes to zero at the end: bool (units,) by group; {} if it chooses none."""
        return {}


class Regulariser(Protocol):
    """The regulariser that a `Criterion` may bring, a frozen dataclass.

    Each field that holds a number, a text or a boolean is an option of the criterion. With a true attribute
    `constant_rate`, sparse training keeps the peak rate after the warm-up: a cosine would end a term that grows.
    """

    @property
    def strength(self) -> float:
        """The factor of the term."""

    def attach(self, network: Network, generator: torch.Generator) -> Attached:
        """Attach the regulariser to a network."""


def keeps_rate(regulariser: Regulariser | None) -> bool:
    """Tell whether sparse training with a regulariser has a constant rate after the warm-up.

    >>> keeps_rate(None)
    False
    """
    return bool(getattr(regulariser, "constant_rate", False))


def check_strength(strength: float) -> None:
    """Raise `UserError` for a strength that is negative or not finite."""
    if not 0 <= strength < math.inf:
        raise UserError(f"strength={strength:g}: a regulariser's strength must be zero or a positive number")


@dataclass(frozen=True)
class Penalty:
    """A function of a layer's weights, summed over the layers.

    Args:
        function: ``(units, inputs, positions) -> scalar``, differentiable, with a finite gradient at zero.
            Keyword-only arguments are options.
        strength: the factor of the sum.
        linear: whether to penalise linear layers too, with weights of one position; the method's paper decides.
    """

    function: Callable[..., Tensor]
    strength: float
    linear: bool = False
    options: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: Network, generator: torch.Generator) -> "AttachedTerm":
        """Attach the penalty to the layers of a network; the generator is not used."""
        kinds = (nn.Conv2d, nn.Linear) if self.linear else (nn.Conv2d,)
        weights = [m.weight for m in network.model.modules() if isinstance(m, kinds)]
        return AttachedTerm(lambda: self.strength * self.value(weights))

    def value(self, weights: list[Tensor]) -> Tensor:
        """Sum the function over the weights of layers, without the strength; a scalar."""
        options = dict(self.options)
        terms = [_scalar(self.function, w.reshape(w.shape[0], w.shape[1], -1), options) for w in weights]
        return torch.stack(terms).sum() if terms else torch.zeros(())


def regulariser_options(regulariser: Regulariser) -> Options:
    """Return the options of a regulariser: its dataclass fields and the options of a penalty's function."""
    own = function_options(regulariser.function) if isinstance(regulariser, Penalty) else {}
    return field_options(regulariser) | own


def with_values(regulariser: R, values: Mapping[str, Any]) -> R:
    """Return a regulariser with new values of some options."""
    own = field_options(regulariser)
    changes = {name: value for name, value in values.items() if name in own}
    if isinstance(regulariser, Penalty):
        of_function = {name: value for name, value in values.items() if name not in own}
        changes["options"] = tuple(sorted({**dict(regulariser.options), **of_function}.items()))
    return replace(regulariser, **changes)  # type: ignore[type-var]


def _scalar(function: Callable[..., Tensor], weight: Tensor, options: Mapping[str, Value]) -> Tensor:
    value = function(weight, **options)
    if not isinstance(value, Tensor) or value.ndim:
        what = f"a term of shape {tuple(value.shape)}" if isinstance(value, Tensor) else kind_of(value)
        raise CellError(
            f"regulariser '{getattr(function, '__name__', function)}' gives {what}, it must be a scalar tensor"
        )
    return value


@dataclass
class AttachedTerm(Attached):
    """An attached function of the network's weights; it trains nothing, draws nothing and leaves nothing."""

    term: Callable[[], Tensor]
    parameters: list[nn.Parameter] = field(default_factory=list)
    rate_factor: float = 1.0

    def penalty(self) -> Tensor:
        """Return the term; a scalar."""
        return self.term()
