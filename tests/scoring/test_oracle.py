from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.errors import UserError
from prunebench.plugins.registry import get_model, load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove, zero_units
from prunebench.scoring.oracle import loss_changes
from prunebench.testing import toys

Make = Callable[[], Network]


def numbered(network: Network) -> dict[str, Tensor]:
    return {name: kept for name, kept in network.kept.items() if len(kept) > 1}


def without_each(network: Network, batches: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Change of the loss when each unit is removed."""
    return {
        group: loss_changes(network, (remove(network, {group: unit[None]}) for unit in units), batches)
        for group, units in numbered(network).items()
    }


def by_masks(network: Network, batches: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Set each unit to zero, then run the network as wide as before."""

    def losses(*gone: tuple[str, Tensor]) -> Tensor:
        masked = deepcopy(network)
        zero_units(masked, {group: unit[None] for group, unit in gone})
        with torch.no_grad():
            model = masked.model.eval()
            return torch.cat([F.cross_entropy(model(x), y, reduction="none") for x, y in batches])

    return {
        group: torch.stack([losses((group, unit)) for unit in units]) - losses()
        for group, units in numbered(network).items()
    }


def resnet20() -> Network:
    """Build the network with option-A shortcuts, every statistic a number that matters."""
    torch.manual_seed(0)
    net = get_model("resnet20", load_registry(()))(1, 16, toys.CLASSES).double()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.uniform_(0.2, 1.2)
    return Network.dense(net, analyse(net, torch.zeros(2, 1, 16, 16, dtype=torch.float64), check=False))


@pytest.mark.parametrize("make", [toys.chain, toys.residual, toys.depthwise, toys.grouped])
def test_the_change_is_that_of_a_masked_unit(make: Make) -> None:
    network, batches = make(), toys.batches()
    found, truth = without_each(network, batches), by_masks(network, batches)
    assert found.keys() == truth.keys() and len(truth) > 0
    for group, changes in truth.items():
        assert changes.abs().max() > 1e-3
        torch.testing.assert_close(found[group], changes, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_option_a_shortcuts_too() -> None:
    network = resnet20()
    draws = torch.Generator().manual_seed(0)
    batches = [(torch.randn(3, 1, 16, 16, generator=draws, dtype=torch.float64), torch.tensor([0, 1, 2]))]
    found, truth = without_each(network, batches), by_masks(network, batches)
    for group, changes in truth.items():
        torch.testing.assert_close(found[group], changes, rtol=0, atol=1e-12)


def test_a_pruned_network_counts_its_units_as_the_dense_one() -> None:
    network = remove(toys.chain(), {"0": torch.tensor([0, 3]), "2": torch.tensor([1])})
    found, truth = without_each(network, toys.batches()), by_masks(network, toys.batches())
    for group, changes in truth.items():
        torch.testing.assert_close(found[group], changes, rtol=0, atol=1e-12)


def test_a_change_worked_by_hand() -> None:
    """Logits (h0 + h1, 0), h = relu(x, 2x): at x = ln 2 the loss of class 0 is log(1 + e^-3x) = log(9/8)."""
    net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0], [2.0]]))
        net[2].weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    group = toys.Group("0", 2, ("0",), (toys._slice("0", "out", 2), toys._slice("2", "in", 2)))
    network = Network.dense(net, toys.Table((group,), {"0": 1, "2": 1}))
    pictures = torch.full((1, 1), 2.0, dtype=torch.float64).log()
    without = (remove(network, {"0": torch.tensor([unit])}) for unit in (1, 0))
    found = loss_changes(network, without, [(pictures, torch.tensor([0]))])
    truth = torch.tensor([[12.0], [10.0]], dtype=torch.float64).div(9).log()  # 3/2 and 5/4 over 9/8
    torch.testing.assert_close(found, truth, rtol=0, atol=1e-14)


def test_nothing_is_left_behind() -> None:
    network = toys.residual()
    network.model.train()
    before = deepcopy(network.model.state_dict())
    state = torch.get_rng_state()
    again = [without_each(network, toys.batches())["stem"] for _ in range(2)]
    assert torch.equal(*again) and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())
    assert all(module.training for module in network.model.modules())


def test_no_other_network_gives_no_row() -> None:
    assert loss_changes(toys.chain(), (), toys.batches()).shape == (0, 8)


def test_what_is_no_network_is_refused_by_name() -> None:
    network = toys.chain()
    with pytest.raises(UserError, match=r"Sequential is no prunebench\.Network; give Network\.dense\(model, "):
        loss_changes(network.model, (), toys.batches())  # type: ignore[arg-type]
    with pytest.raises(UserError, match="batches: there is none"):
        loss_changes(network, (), [])
