import pytest
import torch

from prunebench.models.lenet5 import lenet5
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.testing import toys
from prunebench.training.reach import acted_on
from prunebench.training.term import attach, gradients_of


def reached(name: str, network: Network) -> float:
    rule = parse_method(name, load_registry(())).before
    assert rule is not None
    attached = attach(rule, network, torch.Generator())
    named = dict(network.model.named_parameters())
    named |= {f"gates {number}": gate for number, gate in enumerate(attached.parameters)}
    try:
        return acted_on(network, gradients_of(rule, attached, named))
    finally:
        attached.detach()


@pytest.mark.parametrize(
    ("name", "toy", "share"),
    [
        ("l1:linear=false", "chain", 5 / 9),  # the last group, of 8 of 18 units, is a linear layer
        ("l0", "chain", 1.0),
        ("slimming", "residual", 1.0),
        ("group_norm", "depthwise", 1.0),
    ],
)
def test_a_term_acts_on_units_whose_weights_or_gates_it_pulls(name: str, toy: str, share: float) -> None:
    assert reached(name, toys.TOYS[toy]()) == share


def test_a_ranked_linear_layer_that_no_term_penalises_counts_as_not_acted_on() -> None:
    model = lenet5(1, 28, 10)
    network = Network.dense(model, analyse(model, torch.zeros(1, 1, 28, 28), check=False))
    assert reached("hsqgl12", network) == pytest.approx(70 / 570)
    assert reached("l1:linear=true", network) == 1.0


def test_units_are_counted_one_by_one() -> None:
    network = toys.chain()
    gradient = torch.zeros_like(network.layer("2").get_parameter("weight"))
    gradient[1] = 1e-9
    assert acted_on(network, {"2.weight": gradient, "0.weight": None}) == 1 / sum(network.units.values())
