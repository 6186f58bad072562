"""Call a regulariser under guard and check what it gives: plugins may return anything, and change anything."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from prunebench.errors import CellError, kind_of
from prunebench.plugins.guard import States, all_states, called, guarded
from prunebench.plugins.regulariser import Attached, Regulariser
from prunebench.plugins.torch_states import CHEAP, TORCH_NUMBERS
from prunebench.pruning.network import Network

T = TypeVar("T")
EACH_STEP = (*CHEAP, TORCH_NUMBERS)


def name_of(regulariser: Regulariser) -> str:
    """Name a regulariser after the function or class that computes its term."""
    maker = getattr(regulariser, "function", type(regulariser))
    return f"regulariser '{getattr(maker, '__name__', type(maker).__name__)}'"


def attach(regulariser: Regulariser, network: Network, generator: torch.Generator, watched: bool = True) -> "Guarded":
    """Attach a regulariser to a network, under guard from now on. Global states that it changes are put back.

    Raises `CellError` with the regulariser's name if it fails or, if watched, changes a global state.
    """
    guard = Guard(name_of(regulariser), all_states(network.device), watched)
    return guard.call(lambda: Guarded(guard, regulariser.attach(network, generator), network.units))


@dataclass
class Guard:
    """Calls one regulariser.

    Two of every 255 calls at a step, a `draw` and a `penalty`, check all states in 0.3 ms. The others check the
    states that cost microseconds.
    """

    who: str
    states: States
    watched: bool
    calls: int = 0

    def call(self, function: Callable[[], T]) -> T:
        """Check all states."""
        return guarded(self.who, function, self.states, self.watched)

    def step(self, function: Callable[[], T]) -> T:
        """Check what the number of the call asks for."""
        self.calls += 1
        everything = self.calls % 255 in (1, 2)
        return guarded(self.who, function, self.states if everything else EACH_STEP, self.watched)


class Guarded(Attached):
    """An attached regulariser whose calls fail by name where they raise an error or change a global state."""

    def __init__(self, guard: Guard, attached: Attached, units: Mapping[str, int]) -> None:
        self.parameters, self.rate_factor = attached.parameters, attached.rate_factor
        self._guard, self._attached, self._units = guard, attached, units
        self._draws = type(attached).draw is not Attached.draw

    def draw(self) -> None:
        """Begin a training step."""
        if self._draws:
            self._guard.step(self._attached.draw)

    def penalty(self) -> Tensor:
        """Return the term; a scalar."""
        return _scalar(self._guard.who, self._guard.step(self._attached.penalty))

    def measure(self) -> Tensor:
        """Return the term with the initial values of factors that change in training; a scalar."""
        return _scalar(self._guard.who, self._guard.call(self._attached.measure))

    def detach(self) -> dict[str, Tensor]:
        """Detach the regulariser. Returns log alpha (units,) by group, if any."""
        learned = self._guard.call(self._attached.detach)
        if not isinstance(learned, dict):
            what = f"gives {kind_of(learned)} when it is detached"
            raise CellError(f"{self._guard.who} {what}; `detach` must return a dict, empty without gates")
        return learned

    def pushed(self) -> dict[str, Tensor]:
        """Return the units that the term pushes to zero: bool (units,) by group, on the CPU."""
        found = self._guard.call(getattr(self._attached, "pushed", dict))
        if not isinstance(found, dict):
            raise CellError(f"{self._guard.who} gives {kind_of(found)} of pushed units; {_PUSHED}")
        for group, chosen in found.items():
            if group not in self._units:
                raise CellError(f"{self._guard.who} pushes units of {group!r}, which is no coupled group; {_PUSHED}")
            if not isinstance(chosen, Tensor) or chosen.dtype != torch.bool or chosen.shape != (self._units[group],):
                given = f"{chosen.dtype} {tuple(chosen.shape)}" if isinstance(chosen, Tensor) else type(chosen).__name__
                wanted = f"bool ({self._units[group]},)"
                raise CellError(f"{self._guard.who} pushes units of '{group}' as {given}, not {wanted}; {_PUSHED}")
        return {group: chosen.detach().cpu() for group, chosen in found.items()}


_PUSHED = "`pushed` must return a dict of bool tensors (units,) by coupled group, empty without a choice"


def term_of(regulariser: Regulariser, attached: Attached) -> Tensor:
    """Give the term. Raises `CellError` if it is no finite scalar, or depends on no trained parameter."""
    who = name_of(regulariser)
    term = _scalar(who, called(who, lambda: attached.penalty()))
    if not term.isfinite():
        raise CellError(f"{who} gives a term of {float(term.detach())}; the term must be finite")
    if not term.requires_grad:
        raise CellError(f"{who} gives a term without gradient; the term must depend on a trained parameter")
    return term


def _scalar(who: str, term: object) -> Tensor:
    if not isinstance(term, Tensor):
        raise CellError(f"{who} gives {kind_of(term)}; the term must be a scalar tensor")
    if term.ndim:
        raise CellError(f"{who} gives a term of shape {tuple(term.shape)}; the term must be a scalar tensor")
    return term


def gradients_of(
    regulariser: Regulariser, attached: Attached, named: Mapping[str, nn.Parameter]
) -> dict[str, Tensor | None]:
    """Give the term's gradient by parameter, None if it has none. Raises `CellError` if a gradient is not finite."""
    who, term = name_of(regulariser), term_of(regulariser, attached)
    values = called(who, lambda: torch.autograd.grad(term, list(named.values()), allow_unused=True))
    gradients: dict[str, Tensor | None] = dict(zip(named, values, strict=True))
    for name, gradient in gradients.items():
        if gradient is not None and not gradient.isfinite().all():
            raise CellError(f"{who} has a gradient that is not finite at '{name}'")
    if all(gradient is None for gradient in values):
        raise CellError(f"{who} gives a term without gradient; the term must depend on a trained parameter")
    return gradients
