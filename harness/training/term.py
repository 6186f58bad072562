"""The term of a regulariser, which may be somebody else's code: a finite scalar that moves what is trained."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.guard import called
from prunebench.plugins.regulariser import Attached, Regulariser
from prunebench.pruning.network import Network


def name_of(regulariser: Regulariser) -> str:
    """Name a regulariser by the function or class that makes its term."""
    maker = getattr(regulariser, "function", type(regulariser))
    return f"regulariser '{getattr(maker, '__name__', type(maker).__name__)}'"


def attach(regulariser: Regulariser, network: Network, generator: torch.Generator) -> Attached:
    """Put a regulariser to work; what it raises becomes a `CellError` with its name."""
    return called(name_of(regulariser), lambda: regulariser.attach(network, generator))


def term_of(regulariser: Regulariser, attached: Attached) -> Tensor:
    """Give the term. Raises `CellError` if it is no scalar, not finite or depends on nothing that is trained."""
    who = name_of(regulariser)
    term = called(who, lambda: attached.penalty())
    if not isinstance(term, Tensor):
        raise CellError(f"{who} gives a {type(term).__name__}, it must be a scalar tensor")
    if term.ndim:
        raise CellError(f"{who} gives a term of shape {tuple(term.shape)}, it must be a scalar tensor")
    if not term.isfinite():
        raise CellError(f"{who} gives a term of {float(term.detach())}")
    if not term.requires_grad:
        raise CellError(f"{who} gives a term without gradient: it depends on nothing that is trained")
    return term


def gradients_of(
    regulariser: Regulariser, attached: Attached, named: Mapping[str, nn.Parameter]
) -> dict[str, Tensor | None]:
    """Give the term's gradient by parameter, None where it has none. Raises `CellError` if one is not finite."""
    who, term = name_of(regulariser), term_of(regulariser, attached)
    found = called(who, lambda: torch.autograd.grad(term, list(named.values()), allow_unused=True))
    gradients: dict[str, Tensor | None] = dict(zip(named, found, strict=True))
    for name, gradient in gradients.items():
        if gradient is not None and not gradient.isfinite().all():
            raise CellError(f"{who} has a gradient that is not finite at '{name}'")
    if all(gradient is None for gradient in found):
        raise CellError(f"{who} gives a term without gradient: it depends on nothing that is trained")
    return gradients
