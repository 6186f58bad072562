from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from prunebench.pruning.analysis import analyse
from prunebench.pruning.masks import held, kept_weights, without, zero
from prunebench.pruning.network import Network, weight_of
from prunebench.pruning.removal import remove
from prunebench.study.networks import load_into, save


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    return Network.dense(model, analyse(model, torch.zeros(1, 1, 6, 6)))


def some(network: Network) -> dict[str, torch.Tensor]:
    draws = torch.Generator().manual_seed(1)
    return {n: torch.randperm(len(k), generator=draws)[: len(k) // 2] for n, k in kept_weights(network).items()}


def test_without_is_zero_there_and_untouched_elsewhere(network: Network) -> None:
    gone = some(network)
    pruned = without(network, gone)
    for layer, numbers in gone.items():
        expected = weight_of(network, layer).clone()
        expected.view(-1)[numbers] = 0
        assert torch.equal(weight_of(pruned, layer), expected)
        assert not torch.isin(numbers, kept_weights(pruned)[layer]).any()
    assert network.masks == {} and all(bool((weight_of(network, layer) != 0).all()) for layer in gone)


def test_what_is_gone_adds_up(network: Network) -> None:
    first = without(network, {"0": torch.tensor([0, 3])})
    second = without(first, {"0": torch.tensor([7])})
    assert kept_weights(second)["0"].tolist() == [i for i in range(36) if i not in (0, 3, 7)]
    assert len(kept_weights(first)["0"]) == 34
    assert len(kept_weights(second)["4"]) == 192


def test_a_copy_keeps_its_masks_and_units_cannot_go_from_it(network: Network) -> None:
    pruned = without(network, some(network))
    copy = remove(pruned, {})
    assert copy.masks.keys() == pruned.masks.keys() and copy.model is not pruned.model
    with pytest.raises(ValueError, match="after single weights were pruned"):
        remove(pruned, {"0": torch.tensor([0])})


def test_fresh_weights_are_zeroed_where_the_old_ones_were(network: Network) -> None:
    pruned = without(network, some(network))
    for layer in pruned.masks:
        nn.init.ones_(pruned.model.get_parameter(f"{layer}.weight"))
    zero(pruned)
    assert all(torch.equal(weight_of(pruned, layer) == 1, mask) for layer, mask in pruned.masks.items())


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_training_revives_nothing_whatever_pulls(network: Network, memory_format: Any) -> None:
    pruned = without(network, some(network))
    pruned.model.to(memory_format=memory_format)
    before = {layer: weight_of(pruned, layer).clone() for layer in pruned.masks}
    optimiser = torch.optim.SGD(pruned.model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2)
    draws = torch.Generator().manual_seed(2)
    with held(pruned):
        for _ in range(5):
            pictures, labels = torch.randn(8, 1, 6, 6, generator=draws), torch.arange(8) % 3
            loss = nn.functional.cross_entropy(pruned.model(pictures), labels)
            loss = loss + sum((weight - 1).square().sum() for weight in pruned.model.parameters())  # pulls from zero
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    for layer, mask in pruned.masks.items():
        weight = weight_of(pruned, layer)
        assert bool((weight[~mask] == 0).all()) and not weight[~mask].signbit().any()
        assert bool((weight[mask] != before[layer][mask]).all())


def test_hooks_are_gone_afterwards(network: Network) -> None:
    pruned = without(network, some(network))
    with held(pruned):
        pass
    pruned.model(torch.ones(2, 1, 6, 6)).sum().backward()
    gradient = pruned.model.get_parameter("4.weight").grad
    assert gradient is not None and bool((gradient[~pruned.masks["4"]] != 0).any())


def test_saved_and_loaded_is_the_same(network: Network, tmp_path: Path) -> None:
    pruned = without(network, some(network))
    save(pruned, tmp_path)
    again = load_into(network.model, network.table, tmp_path)
    assert again.masks.keys() == pruned.masks.keys()
    assert all(torch.equal(again.masks[layer], mask) for layer, mask in pruned.masks.items())
    pictures = torch.randn(3, 1, 6, 6)
    assert torch.equal(again.model.eval()(pictures), pruned.model.eval()(pictures))
