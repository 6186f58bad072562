"""Penalties: what they act on, their value and their options."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.plugins.regulariser import Penalty, regulariser_options, with_values
from prunebench.pruning.network import Network
from prunebench.testing import toys
from prunebench.training.gates import Gates


def entries(weight: Tensor, *, scale: float = 1.0) -> Tensor:
    return scale * weight.abs().sum()


def shaped(weight: Tensor) -> Tensor:
    return weight.sum() * 0 + torch.tensor([10_000.0, 100.0, 1.0]).double() @ torch.tensor(weight.shape).double()


def attach(rule: Penalty, network: Network) -> float:
    return float(rule.attach(network, torch.Generator()).penalty().detach())


def test_the_term_is_strength_times_the_sum_over_convolutions() -> None:
    network = toys.chain()
    expected = sum(float(network.layer(n).get_parameter("weight").detach().abs().sum()) for n in ("0", "2"))
    assert attach(Penalty(entries, 0.25), network) == pytest.approx(0.25 * expected)
    with_linear = expected + sum(float(network.layer(n).get_parameter("weight").detach().abs().sum()) for n in "69")
    assert attach(Penalty(entries, 1.0, linear=True), network) == pytest.approx(with_linear)


def test_weights_are_shown_as_units_inputs_positions() -> None:
    assert attach(Penalty(shaped, 1.0), toys.chain()) == 60_109 + 40_604
    linear = Network.dense(nn.Linear(3, 2).double(), toys.chain().table)
    assert attach(Penalty(shaped, 1.0, linear=True), linear) == 20_301
    assert attach(Penalty(shaped, 1.0), linear) == 0


def test_the_term_follows_training_and_leaves_nothing_behind() -> None:
    network = toys.chain()
    attached = Penalty(entries, 1.0).attach(network, torch.Generator())
    attached.draw()
    before = float(attached.penalty().detach())
    with torch.no_grad():
        network.layer("0").get_parameter("weight").mul_(2)
    assert float(attached.penalty().detach()) > before
    assert (attached.parameters, attached.rate_factor, attached.detach()) == ([], 1.0, {})


def test_options_of_a_penalty_are_its_fields_and_those_of_its_function() -> None:
    assert regulariser_options(Penalty(entries, 1.0)).keys() == {"strength", "linear", "scale"}
    rule = with_values(Penalty(entries, 1.0), {"strength": 2.0, "linear": True, "scale": 3.0})
    assert (rule.strength, rule.linear, dict(rule.options)) == (2.0, True, {"scale": 3.0})
    again = with_values(rule, {"strength": 4.0})
    assert (again.strength, again.linear, dict(again.options)) == (4.0, True, {"scale": 3.0})


def test_options_of_another_regulariser_are_its_fields() -> None:
    assert regulariser_options(Gates(1.0)).keys() == {"strength", "droprate", "rate"}
    assert with_values(Gates(1.0), {"rate": 3.0}) == Gates(1.0, rate=3.0)


def test_an_object_that_is_no_dataclass_has_no_options() -> None:
    class Own:
        strength = 1.0

        def attach(self, network: Any, generator: Any) -> Any: ...

    assert regulariser_options(Own()) == {}
