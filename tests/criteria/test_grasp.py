"""GraSP against the change of the gradient's norm, by finite differences and by removal."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from prunebench.criteria.grasp import CRITERION
from prunebench.errors import UserError
from prunebench.pruning.network import Group, Network
from prunebench.scoring.score import score
from prunebench.testing import toys


def squared_gradient(network: Network, group: Group, factor: Tensor) -> float:
    """g^T g of the mean loss, with the weights of a group's units multiplied by `factor` (units,)."""
    state = {name: p.detach().clone() for name, p in network.model.named_parameters()}
    for layer in group.producers:
        for column in network.positions(group, layer).unbind(1):
            weight = state[f"{layer}.weight"]
            weight[column] *= factor.view(-1, *[1] * (weight.ndim - 1))
    weights = {name: w.requires_grad_() for name, w in state.items() if w.ndim > 1}
    pictures, labels = torch.cat([p for p, _ in toys.batches()]), torch.cat([y for _, y in toys.batches()])
    loss = F.cross_entropy(functional_call(network.model, state, (pictures,)), labels)
    gradients = torch.autograd.grad(loss, list(weights.values()))
    return sum(float(g.square().sum()) for g in gradients)


@pytest.mark.parametrize("toy", toys.TOYS)
def test_it_is_half_the_slope_of_the_squared_gradient(toy: str) -> None:
    network = toys.TOYS[toy]()
    network.model.eval()
    scores = score(CRITERION.with_options({"temperature": "1"}), network, toys.batches(), torch.Generator())
    step = 1e-5
    for group in network.table.groups:
        for unit in range(group.units):
            nudge = step * F.one_hot(torch.tensor(unit), group.units).double()
            up, down = (squared_gradient(network, group, 1 + sign * nudge) for sign in (1, -1))
            slope = torch.tensor((up - down) / (2 * step), dtype=torch.float64)
            torch.testing.assert_close(scores[group.name][unit], slope / 2, rtol=1e-5, atol=1e-8)


def test_the_unit_that_goes_first_leaves_the_largest_gradient() -> None:
    network = toys.chain()
    network.model.eval()
    group = network.table.group("2")
    with torch.no_grad():
        network.layer("2").get_parameter("weight").mul_(1e-4)  # so small that the first order is all
    scores = score(CRITERION.with_options({"temperature": "1"}), network, toys.batches(), torch.Generator())["2"]
    left = [
        squared_gradient(network, group, 1 - F.one_hot(torch.tensor(unit), group.units).double())
        for unit in range(group.units)
    ]
    whole = squared_gradient(network, group, torch.ones(group.units))
    changes = torch.tensor(left, dtype=torch.float64) - whole
    torch.testing.assert_close(changes, -2 * scores, rtol=1e-2, atol=0)
    assert int(scores.argmin()) == int(changes.argmax())


def test_the_temperature_divides_the_logits() -> None:
    class Cooler(nn.Module):
        def forward(self, logits: Tensor) -> Tensor:
            return logits / 200

    network, cooler = toys.chain(), toys.chain()
    assert isinstance(cooler.model, nn.Sequential)
    cooler.model.append(Cooler())
    one = CRITERION.with_options({"temperature": "1"})
    wanted = score(one, cooler, toys.batches(), torch.Generator())
    for name, values in score(CRITERION, network, toys.batches(), torch.Generator()).items():
        torch.testing.assert_close(values, wanted[name], rtol=1e-10, atol=0)
    assert one.label == "grasp:temperature=1"


def test_a_temperature_that_is_none() -> None:
    with pytest.raises(UserError, match="option temperature=-1 of 'grasp' must be more than 0"):
        CRITERION.with_options({"temperature": "-1"})
