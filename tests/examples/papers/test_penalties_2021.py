"""The eleven penalties against the published formulas, in plain Python loops."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from prunebench.plugins.criterion import Criterion
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import Registry
from prunebench.plugins.regulariser import Penalty

FILES = Path(__file__).parents[3] / "examples" / "papers"
REGISTRY = Registry((str(FILES / "penalties_2021.py"), str(FILES / "taylor_2020.py")))
Weights = list[list[list[float]]]  # output channel, input channel, position


def over(weights: Weights, inner: Callable[[list[list[float]]], float], outer: Callable[[float], float]) -> float:
    """Sum the outer function of the inner one over input channels; inner gets the blocks of one input channel."""
    return sum(outer(inner([row[j] for row in weights])) for j in range(len(weights[0])))


def total(blocks: list[list[float]], power: int) -> float:
    return sum(abs(w) ** power for block in blocks for w in block)


def by_block(function: Callable[[list[float]], float]) -> Callable[[list[list[float]]], float]:
    return lambda blocks: sum(function(block) for block in blocks)


def l1(block: list[float]) -> float:
    return sum(map(abs, block))


def l2(block: list[float]) -> float:
    return math.sqrt(sum(w * w for w in block))


def itself(x: float) -> float:
    return x


def squared(x: float) -> float:
    return x * x


FORMULAS: dict[str, Callable[[Weights], float]] = {
    "l1": lambda w: over(w, lambda b: total(b, 1), itself),
    "l2": lambda w: math.sqrt(over(w, lambda b: total(b, 2), itself)),
    "gl": lambda w: over(w, lambda b: total(b, 2), math.sqrt),
    "hsrgl": lambda w: over(w, by_block(l2), math.sqrt),
    "hsqgl": lambda w: over(w, by_block(l2), squared),
    "es": lambda w: over(w, lambda b: total(b, 1), squared),
    "hsres": lambda w: over(w, by_block(lambda b: l1(b) ** 2), math.sqrt),
    "hsqes": lambda w: over(w, by_block(lambda b: l1(b) ** 2), squared),
    "gl12": lambda w: over(w, lambda b: total(b, 1), math.sqrt),
    "hsrgl12": lambda w: over(w, by_block(lambda b: math.sqrt(l1(b))), math.sqrt),
    "hsqgl12": lambda w: over(w, by_block(lambda b: math.sqrt(l1(b))), squared),
}


def penalty(name: str) -> Penalty:
    criterion = REGISTRY.criteria[f"{name}_2021"].plugin
    assert isinstance(criterion, Criterion) and isinstance(criterion.regulariser, Penalty)
    return criterion.regulariser


def test_all_eleven_are_there() -> None:
    assert {name.removesuffix("_2021") for name in REGISTRY.criteria if name.endswith("_2021")} == set(FORMULAS)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_penalty_is_the_published_formula(name: str) -> None:
    weight = torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = FORMULAS[name](weight.flatten(2).tolist())
    assert float(penalty(name).value([weight])) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("l1", 13.0), ("l2", math.sqrt(91)), ("gl", math.sqrt(91)), ("es", 169.0), ("gl12", math.sqrt(13))],
        *[("hsrgl12", math.sqrt(5)), ("hsqgl12", 25.0), ("hsres", math.sqrt(97)), ("hsqes", 97.0**2)],
        *[("hsrgl", math.sqrt(math.sqrt(10) + 9)), ("hsqgl", (math.sqrt(10) + 9) ** 2)],
    ],
)
def test_numbers_worked_by_hand(name: str, value: float) -> None:
    weight = torch.tensor([[[1.0, -3.0]], [[0.0, 9.0]]])  # one input; two blocks with L1 norms 4 and 9
    assert float(penalty(name).value([weight])) == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("name", FORMULAS)
def test_as_published_on_convolutions_alone_at_half_the_factor(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2, 2))
    assert (penalty(name).strength, penalty(name).linear) == (5e-6, False)
    network = type("Network", (), {"model": model})()
    attached = penalty(name).attach(network, torch.Generator())
    attached.penalty().backward()
    assert model[0].weight.grad is not None and model[2].weight.grad is None


def test_the_five_networks_of_the_paper_can_be_named() -> None:
    for name in ("hsqgl12_2021", "taylor_2020", "hsqgl12_2021+taylor_2020", "taylor_2020+hsqgl12_2021"):
        assert parse_method(name, REGISTRY).name == name
    assert parse_method("hsqgl12_2021:strength=5e-9+obd", REGISTRY).before.strength == 5e-9  # type: ignore[union-attr]
