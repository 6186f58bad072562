"""ThiNet against removals tried out one by one."""

import pytest
import torch
from torch import Tensor

from prunebench.criteria.thinet import CRITERION, removal_order
from prunebench.errors import UserError
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.scoring.score import score
from prunebench.testing import toys


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("seed", range(3))
def test_each_step_of_the_order_is_the_one_of_least_error(seed: int) -> None:
    x = torch.randn(20, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    order = removal_order(x.T @ x).argsort().tolist()
    for step, unit in enumerate(order):
        errors = {u: float(x[:, [*order[:step], u]].sum(1).square().sum()) for u in order[step:]}
        assert min(errors, key=errors.__getitem__) == unit


def test_units_that_make_up_for_each_other_go_together() -> None:
    x = torch.tensor([[3.0, 1.0, -3.0], [0.0, 1.0, 0.0], [4.0, 1.0, -4.0]])  # squares 25, 3, 25; after 1: 14, 42
    assert removal_order(x.T @ x).tolist() == [2, 0, 1]
    x[:, 1] *= 10  # the pair first: 25, 300, 25, then 0
    assert removal_order(x.T @ x).tolist() == [0, 2, 1]


def exhaustive(network: Network, group: str, reader: str) -> list[float]:
    """Squared change of all outputs of a reader when one unit's channels are zero, by unit."""
    kept: list[Tensor] = []
    handle = network.layer(reader).register_forward_pre_hook(lambda _, given: kept.append(given[0].clone()))
    network.model.eval()
    for pictures, _ in toys.batches():
        network.model(pictures)
    handle.remove()
    layer, index = network.layer(reader), network.positions(network.table.group(group), reader, "in")
    errors = []
    for unit in index:
        change = 0.0
        for inputs in kept:
            without = inputs.clone()
            without[:, unit] = 0
            change += float((layer(without) - layer(inputs)).square().sum())
        errors.append(change)
    return errors


@pytest.mark.parametrize(("group", "reader"), [("0", "2"), ("2", "6")])
@torch.no_grad()
def test_with_many_instances_the_first_to_go_is_the_one_the_reader_misses_least(group: str, reader: str) -> None:
    network = toys.chain()
    errors = exhaustive(network, group, reader)
    many = CRITERION.with_options({"locations": "500"})
    scores = score(many, network, toys.batches(), draws())[group]
    assert errors[int(scores.argmin())] <= 1.1 * min(errors)  # 4,000 instances tell no less than that apart
    assert sorted(scores.tolist()) == list(range(network.units[group]))


@pytest.mark.parametrize(("silent", "reader"), [("linear", "conv"), ("conv", "linear")])
@torch.no_grad()
def test_all_readers_of_a_coupled_group_count(silent: str, reader: str) -> None:
    network = toys.residual()
    network.layer(silent).get_parameter("weight").zero_()
    errors = exhaustive(network, "stem", reader)
    scores = score(CRITERION.with_options({"locations": "500"}), network, toys.batches(), draws())["stem"]
    assert errors[int(scores.argmin())] <= 1.1 * min(errors)


def test_a_pruned_network_has_places_for_the_units_still_there() -> None:
    small = remove(remove(toys.chain(), {"2": torch.tensor([0, 2])}), {"0": torch.tensor([1, 2, 3, 4, 5])})
    scores = score(CRITERION, small, toys.batches(), draws())
    assert {name: sorted(values.tolist()) for name, values in scores.items()} == {
        "0": [0],
        "2": [0, 1],
        "6": list(range(8)),
    }


def test_the_seed_decides_and_locations_are_an_option() -> None:
    one, again, other = (
        torch.cat(list(score(CRITERION, toys.chain(), toys.batches(), torch.Generator().manual_seed(s)).values()))
        for s in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert CRITERION.with_options({"locations": "3"}).label == "thinet:locations=3"
    with pytest.raises(UserError, match="option locations=0 of 'thinet' must be at least 1"):
        CRITERION.with_options({"locations": "0"})
