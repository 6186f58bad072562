"""Compute a regulariser's term and check it: plugins may return anything but a finite, differentiable scalar."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.guard import called
from prunebench.plugins.regulariser import Attached, Regulariser
from prunebench.pruning.network import Network


def name_of(regulariser: Regulariser) -> str:
    """Name a regulariser after the function or class that computes its term."""
    maker = getattr(regulariser, "function", type(regulariser))
    return f"regulariser '{getattr(maker, '__name__', type(maker).__name__)}'"


def attach(regulariser: Regulariser, network: Network, generator: torch.Generator) -> Attached:
    """Attach a regulariser to a network; an error that it raises becomes a `CellError` with its name."""
    return called(name_of(regulariser), lambda: regulariser.attach(network, generator))


def term_of(regulariser: Regulariser, attached: Attached) -> Tensor:
    """Give the term. Raises `CellError` if it is no finite scalar, or depends on no trained parameter."""
    who = name_of(regulariser)
    term = called(who, lambda: attached.penalty())
    if not isinstance(term, Tensor):
        raise CellError(f"{who} gives a {type(term).__name__}; the term must be a scalar tensor")
    if term.ndim:
        raise CellError(f"{who} gives a term of shape {tuple(term.shape)}; the term must be a scalar tensor")
    if not term.isfinite():
        raise CellError(f"{who} gives a term of {float(term.detach())}; the term must be finite")
    if not term.requires_grad:
        raise CellError(f"{who} gives a term without gradient; the term must depend on a trained parameter")
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
