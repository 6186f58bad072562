"""What a channel adds to outputs against outputs without it."""

import pytest
import torch
from torch import Tensor, nn

from prunebench.criteria._contributions import contributions, reader_grams
from prunebench.pruning.network import Network
from prunebench.testing import toys


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(4, 6, 3, stride=2, padding=1), (5, 4, 7, 7)),
        (nn.Conv2d(4, 6, 3, groups=2), (5, 4, 5, 5)),
        (nn.Linear(4, 3), (5, 4)),
        (nn.Linear(4, 3), (5, 2, 4)),
    ],
    ids=["convolution", "grouped", "linear", "sequence"],
)
@torch.no_grad()
def test_a_contribution_is_what_an_output_loses_without_the_channel(layer: nn.Module, shape: tuple[int, ...]) -> None:
    layer, inputs = layer.double(), torch.randn(shape, generator=draws(), dtype=torch.float64)
    output = layer(inputs).flatten(1)
    same = draws()
    elements = torch.cat([torch.randint(output.shape[1], (5, 1), generator=same) for _ in range(2)], dim=1)
    found = contributions(layer, inputs, 2, draws()).view(2, 5, 4)
    for channel in range(4):
        without = inputs.clone()
        without.select(-1 if isinstance(layer, nn.Linear) else 1, channel).zero_()
        lost = (output - layer(without).flatten(1)).gather(1, elements)
        torch.testing.assert_close(found[:, :, channel], lost.T, rtol=1e-10, atol=1e-12)


@torch.no_grad()
def readers_given(network: Network, names: tuple[str, ...]) -> dict[str, list[Tensor]]:
    """Keep what layers are given over the batches of `toys`."""
    kept: dict[str, list[Tensor]] = {name: [] for name in names}
    handles = [
        network.layer(name).register_forward_pre_hook(lambda _, given, n=name: kept[n].append(given[0].clone()))
        for name in names
    ]
    network.model.eval()
    for pictures, _ in toys.batches():
        network.model(pictures)
    for handle in handles:
        handle.remove()
    return kept


@torch.no_grad()
def test_the_gram_of_a_coupled_group_is_that_of_all_readers_outputs() -> None:
    network = toys.residual()
    expected = torch.zeros(5, 5, dtype=torch.float64)
    for name, given in readers_given(network, ("conv", "linear")).items():
        layer = network.layer(name)
        for inputs in given:
            alone = []
            for unit in range(5):
                only = torch.zeros_like(inputs)
                only[:, unit] = inputs[:, unit]
                alone.append((layer(only) - layer(torch.zeros_like(inputs))).flatten(1))
            added = torch.stack(alone)  # (units, batch, elements)
            expected += torch.einsum("ube,vbe->uv", added, added) / added.shape[2]
    found = reader_grams(network, toys.batches(), draws(), 4000)["stem"] / 4000
    torch.testing.assert_close(found, expected, rtol=0.05, atol=0.02 * float(expected.diagonal().mean()))
