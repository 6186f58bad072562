"""A network without blocks equals the network whose branches are multiplied by zero."""

from collections.abc import Collection

import pytest
import torch
from torch import Tensor, nn

from prunebench.blocks.checking import masked_blocks, removable_blocks
from prunebench.blocks.counting import block_costs
from prunebench.blocks.finding import Block, find_blocks
from prunebench.blocks.removing import without_blocks
from prunebench.errors import UserError
from prunebench.plugins.registry import get_model, load_registry
from prunebench.pruning.analysis import analyse
from prunebench.pruning.cost import count
from prunebench.pruning.network import Network
from prunebench.pruning.operations import macs_by_operation
from prunebench.pruning.verification import randomised

ENDS = {"resnet20": "bn2", "resnet18": "bn2", "mobilenetv2": "conv.3"}  # the last module of every branch
SIDES = {"resnet20": 16, "resnet18": 32, "mobilenetv2": 32}


@pytest.fixture(scope="module", params=ENDS)
def family(request: pytest.FixtureRequest) -> tuple[str, Network, tuple[Block, ...], Tensor]:
    """Give a network with random numbers in float64, its blocks, and pictures."""
    side = SIDES[request.param]
    pictures = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    model = get_model(request.param, load_registry(()))(3, side, 10).eval()
    table = analyse(model, pictures, request.param, check=False)
    network = randomised(model, table, torch.device("cpu"))
    return request.param, network, find_blocks(model, pictures), pictures.double()


def by_hand(label: str, network: Network, gone: Collection[Block], pictures: Tensor) -> Tensor:
    """Multiply the outputs of branches by zero."""
    hooks = [
        network.model.get_submodule(f"{block.name}.{ENDS[label]}").register_forward_hook(lambda *call: 0 * call[2])
        for block in gone
    ]
    with torch.no_grad():
        scores: Tensor = network.model(pictures)
    for hook in hooks:
        hook.remove()
    return scores


def test_removed_equals_masked(family: tuple[str, Network, tuple[Block, ...], Tensor]) -> None:
    label, network, blocks, pictures = family
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    whole = by_hand(label, network, (), pictures)
    for gone in (blocks[:1], blocks[1::2], blocks):
        wanted = by_hand(label, network, gone, pictures)
        small = without_blocks(network, gone)
        with torch.no_grad():
            for found in (small.model(pictures), masked_blocks(network, gone).model(pictures)):
                assert (found - wanted).abs().max() <= 1e-12 * wanted.abs().max()
        assert not torch.allclose(wanted, whole)
    after = network.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_blocks_go_one_after_the_other(family: tuple[str, Network, tuple[Block, ...], Tensor]) -> None:
    _, network, blocks, pictures = family
    small = network
    for block in blocks[:3]:
        small = without_blocks(small, [block])
    at_once = without_blocks(network, blocks[:3])
    assert small.blocks == at_once.blocks == {block.name for block in blocks[:3]}
    assert torch.equal(small.model(pictures), at_once.model(pictures))
    left = dict(small.model.named_modules())
    assert all(layer in left for layer in small.table.positions)
    assert all(layer in left for group in small.table.groups for layer in group.producers)
    assert {group.name for group in small.table.groups} == small.kept.keys()


def test_costs_are_those_of_the_flop_counter(family: tuple[str, Network, tuple[Block, ...], Tensor]) -> None:
    _, network, blocks, pictures = family
    costs = block_costs(network.model, network.table, blocks)
    for gone in (blocks[:2], blocks):
        small = without_blocks(network, gone)
        names = {block.name for block in gone}
        found = costs.cost({block.name: int(block.name not in names) for block in blocks})
        assert found.macs == sum(macs_by_operation(small.model, pictures.shape[1:]).values())
        assert found.params == sum(p.numel() for p in small.model.parameters())
        assert found == count(small) and found.units < costs.dense.units
    least = costs.shares(dict.fromkeys(costs.counts, 0))
    assert all(0 < share < 1 for share in least.values())


def test_a_branch_that_gives_something_from_nothing_stays() -> None:
    class Odd(nn.Module):
        def __init__(self, more: float) -> None:
            super().__init__()
            self.conv, self.more = nn.Conv2d(4, 4, 3, padding=1), more

        def forward(self, given: Tensor) -> Tensor:
            return given + self.conv(given) + self.more if self.more else given + self.conv(given)  # type: ignore[no-any-return]

    class Shifted(Odd):
        def forward(self, given: Tensor) -> Tensor:
            return given + (self.conv(given) + self.more)  # type: ignore[no-any-return]

    def net(unit: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), Odd(0.0), unit, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    pictures = torch.zeros(2, 3, 8, 8)
    model = net(Shifted(0.5))
    assert [block.name for block in find_blocks(model, pictures)] == ["1", "2"]
    table = analyse(model, pictures)
    assert [block.name for block in removable_blocks(model, table, pictures, "it")] == ["1"]


def test_a_network_without_blocks_is_refused_by_name() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    pictures = torch.zeros(2, 3, 8, 8)
    with pytest.raises(UserError, match=r"^'mine' has no blocks to remove: no module adds .*; leave --units out"):
        removable_blocks(model, analyse(model, pictures), pictures, "'mine'")
