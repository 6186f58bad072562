"""What a regulariser's term can have wrong, said with the regulariser's name."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.regulariser import Penalty
from prunebench.testing import toys
from prunebench.training.term import attach, gradients_of, term_of


def sound(weight: Tensor) -> Tensor:
    return weight.square().sum()


def constant(weight: Tensor) -> Tensor:
    return torch.tensor(3.0)


def cut_off(weight: Tensor) -> Tensor:
    return weight.detach().square().sum()


def infinite(weight: Tensor) -> Tensor:
    return weight.abs().sum() * math.inf


def rooted(weight: Tensor) -> Tensor:
    return (weight * 0).abs().sum().sqrt() + weight.sum()


def failing(weight: Tensor) -> Tensor:
    raise ValueError("no luck")


def per_unit(weight: Tensor) -> Tensor:
    return weight.abs().sum((1, 2))


def number(weight: Tensor) -> Any:
    return 3.0


def gradients(function: Any) -> dict[str, Tensor | None]:
    network, rule = toys.depthwise(), Penalty(function, 0.5)
    attached = attach(rule, network, torch.Generator())
    return gradients_of(rule, attached, dict(network.model.named_parameters()))


def test_a_sound_term_gives_its_gradients() -> None:
    found, weight = gradients(sound), toys.depthwise().layer("3").get_parameter("weight")
    torch.testing.assert_close(found["3.weight"], weight.detach())  # half the derivative of a square
    assert found["9.weight"] is None


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (constant, "'constant' gives a term without gradient; the term must depend on a trained parameter"),
        (cut_off, "'cut_off' gives a term without gradient; the term must depend on a trained parameter"),
        (infinite, "'infinite' gives a term of inf"),
        (rooted, r"'rooted' has a gradient that is not finite at '0\.weight'"),
        (failing, r"'failing' failed: ValueError: no luck \(test_term\.py:\d+\)"),
        (per_unit, r"'per_unit' gives a term of shape \(4,\)"),
        (number, "'number' gives a float"),
    ],
)
def test_what_is_wrong_with_a_penalty_is_said(function: Any, message: str) -> None:
    with pytest.raises(CellError, match=f"^regulariser {message}"):
        gradients(function)


class Own:
    """A regulariser of somebody's own that gives any term."""

    strength, rate_factor = 1.0, 1.0

    def __init__(self, term: Any) -> None:
        self.term, self.parameters = term, list[nn.Parameter]()

    def attach(self, network: Any, generator: Any) -> Any:
        return self

    def draw(self) -> None: ...

    def penalty(self) -> Any:
        return self.term

    def detach(self) -> dict[str, Tensor]:
        return {}


def test_what_is_wrong_with_somebodys_own_regulariser_is_said() -> None:
    stray = torch.ones((), requires_grad=True)
    for own, message in (
        (Own(3.0), "'Own' gives a float; the term must be a scalar tensor"),
        (Own(torch.ones(2)), r"'Own' gives a term of shape \(2,\); the term must be a scalar tensor"),
        (Own(stray * 2), "'Own' gives a term without gradient"),
    ):
        named = dict(toys.chain().model.named_parameters())
        with pytest.raises(CellError, match=f"^regulariser {message}"):
            gradients_of(own, attach(own, toys.chain(), torch.Generator()), named)
    with pytest.raises(CellError, match=r"^regulariser 'Own' gives a float"):
        term_of(Own(1.0), Own(1.0))


@pytest.mark.parametrize(
    ("pushed", "message"),
    [
        ([1], "gives a list of pushed units; `pushed` must return a dict of bool tensors"),
        ({"x": torch.ones(3)}, "pushes units of 'x', which is no coupled group"),
        ({"2": torch.ones(4)}, r"pushes units of '2' as torch.float32 \(4,\), not bool \(4,\)"),
        ({"2": torch.ones(3, dtype=torch.bool)}, r"pushes units of '2' as torch.bool \(3,\), not bool \(4,\)"),
        ({"2": [True]}, r"pushes units of '2' as list, not bool \(4,\)"),
    ],
)
def test_pushed_units_of_somebodys_own_regulariser_are_checked(pushed: Any, message: str) -> None:
    own = Own(torch.ones(()))
    own.pushed = lambda: pushed  # type: ignore[attr-defined]
    with pytest.raises(CellError, match=f"^regulariser 'Own' {message}"):
        attach(own, toys.chain(), torch.Generator()).pushed()


def test_pushed_units_come_through_the_guard() -> None:
    own, chosen = Own(torch.ones(())), torch.tensor([True, False, False, True])
    assert attach(own, toys.chain(), torch.Generator()).pushed() == {}  # a regulariser that says nothing
    own.pushed = lambda: {"2": chosen}  # type: ignore[attr-defined]
    found = attach(own, toys.chain(), torch.Generator()).pushed()
    assert list(found) == ["2"] and torch.equal(found["2"], chosen)
