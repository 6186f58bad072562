"""FLAP against its formula in loops over NumPy arrays, and against outputs with the unit held at its mean."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunebench.criteria.flap import CRITERION, Fluctuation, column_norms
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.pruning.selection import Ranking
from prunebench.scoring.score import score
from prunebench.testing import toys

READERS = {
    "chain": {"0": ("2",), "2": ("6",), "6": ("9",)},
    "residual": {"stem": ("conv", "linear")},
    "depthwise": {"0": ("6",), "6": ("9",)},
    "grouped": {"2": ("6",)},
    "dense": {"stem": ("conv1", "conv2", "linear"), "conv1": ("conv2", "linear"), "conv2": ("linear",)},
    "pre-activation": {"stem": ("conv", "linear"), "conv": ("out",)},
}
Array = NDArray[np.float64]


def scores(network: Network, batches: Any = None) -> dict[str, Tensor]:
    return score(CRITERION, network, toys.batches() if batches is None else batches, torch.Generator())


@torch.no_grad()
def read(network: Network, name: str) -> Tensor:
    """Everything that a layer reads over the batches of `toys`."""
    kept: list[Tensor] = []
    handle = network.layer(name).register_forward_pre_hook(lambda _, given: kept.append(given[0].clone()))
    network.model.eval()
    for pictures, _ in toys.batches():
        network.model(pictures)
    handle.remove()
    return torch.cat(kept)


def published(inputs: Array, weight: Array) -> float:
    """Score one channel. inputs: (pictures, positions). weight: all that reads it."""
    mean = sum(x for picture in inputs for x in picture) / inputs.size
    fluctuation = sum((x - mean) ** 2 for picture in inputs for x in picture) / (len(inputs) - 1)
    return float(fluctuation * sum(w**2 for w in weight.flatten()))


def terms(network: Network, group: str, unit: int, readers: tuple[str, ...]) -> Iterator[float]:
    for name in readers:
        weight = network.layer(name).get_parameter("weight").detach().numpy()
        inputs = read(network, name).numpy()
        for channel in network.positions(network.table.group(group), name, "in")[unit].tolist():
            yield published(inputs[:, channel].reshape(len(inputs), -1), weight[:, channel])


@pytest.mark.parametrize("toy", READERS)
def test_it_is_the_published_formula(toy: str) -> None:
    network = toys.TOYS[toy]()
    found = scores(network)
    assert found.keys() == READERS[toy].keys()
    for group, readers in READERS[toy].items():
        expected = [sum(terms(network, group, unit, readers)) for unit in range(network.units[group])]
        np.testing.assert_allclose(found[group].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(("toy", "group", "reader"), [("chain", "6", "9"), ("depthwise", "0", "6")])
@torch.no_grad()
def test_it_is_what_outputs_lose_when_the_unit_is_held_at_its_mean(toy: str, group: str, reader: str) -> None:
    network = toys.TOYS[toy]()
    layer, inputs = network.layer(reader), read(network, reader)
    for unit, value in enumerate(scores(network)[group].tolist()):
        held = inputs.clone()
        held[:, unit] = inputs[:, unit].mean()
        assert value == pytest.approx(
            float((layer(held) - layer(inputs)).square().sum()) / (len(inputs) - 1), rel=1e-12
        )


def test_a_grouped_reader_has_its_own_weights_for_each_channel() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3, groups=2)).double()
    weight = model[1].get_parameter("weight").detach()
    expected = [weight[:3, 0], weight[:3, 1], weight[3:, 0], weight[3:, 1]]
    torch.testing.assert_close(column_norms(model[1]), torch.stack([w.square().sum() for w in expected]))


def test_batches_of_any_size_and_large_means_leave_the_sums_exact() -> None:
    values = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    spread = Fluctuation()
    for part in (values + 1e6).split([1, 12, 7]):
        spread.add(nn.Linear(3, 1), part)
    torch.testing.assert_close(spread.squares, values.var(dim=0) * 19, rtol=1e-8, atol=0)
    assert spread.pictures == 20


def test_a_unit_that_never_changes_goes_first_also_in_a_pruned_network() -> None:
    network = remove(toys.chain(), {"0": torch.tensor([2])})
    with torch.no_grad():
        network.layer("0").get_parameter("weight")[3] = 0
    found = scores(network)["0"]
    assert found.shape == (5,)
    assert int(found.argmin()) == 3 and float(found[3]) == pytest.approx(0, abs=1e-20)
    one = [(pictures[:1], labels[:1]) for pictures, labels in toys.batches()][:1]
    assert scores(network, one)["0"].isfinite().all()


def test_layers_are_compared_by_the_standardised_score() -> None:
    assert CRITERION.published == Ranking("global", normalise="standard")
