"""Fisher pruning against explicit masks on feature maps, and against the published code's formula."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.criteria.fisher import CRITERION
from prunebench.pruning.network import Network
from prunebench.scoring.score import score
from prunebench.testing import toys

# By toy and group, the calls of modules whose output is masked: behind BatchNorm and nonlinearity, once per unit.
PLACES: dict[str, dict[str, list[tuple[str, int]]]] = {
    "chain": {"0": [("1", 1)], "2": [("4", 1)], "6": [("7", 1)]},
    "residual": {"stem": [("relu", 1), ("bn2", 1)]},
    "depthwise": {"0": [("5", 1)], "6": [("6", 1)]},
    "dense": {"stem": [("stem", 1)], "conv1": [("conv1", 1)], "conv2": [("conv2", 1)]},
    "pre-activation": {"stem": [("stem", 1), ("out", 1)], "conv": [("relu", 2)]},
}


@pytest.mark.parametrize("toy", PLACES)
def test_it_is_half_the_mean_squared_derivative_by_a_mask_on_the_feature_map(toy: str) -> None:
    network = toys.TOYS[toy]()
    network.model.eval()
    scores = score(CRITERION, network, toys.batches(), torch.Generator())
    assert scores.keys() == PLACES[toy].keys()
    for group, places in PLACES[toy].items():
        squares = [
            _slope(network, network.units[group], places, (picture[None], label[None])).square()
            for pictures, labels in toys.batches()
            for picture, label in zip(pictures, labels, strict=True)
        ]
        torch.testing.assert_close(scores[group], 0.5 * torch.stack(squares).mean(0), rtol=1e-10, atol=1e-16)


def _slope(network: Network, units: int, places: list[tuple[str, int]], sample: tuple[Tensor, Tensor]) -> Tensor:
    """Derivative of one sample's loss by a mask of the units."""
    mask = torch.ones(units, dtype=torch.float64, requires_grad=True)
    calls = dict.fromkeys([name for name, _ in places], 0)

    def masked(name: str, output: Tensor) -> Tensor:
        calls[name] += 1
        factor = mask.view(1, -1, *[1] * (output.ndim - 2))
        return output * factor if (name, calls[name]) in places else output

    handles = [
        network.layer(name).register_forward_hook(lambda _, given, output, name=name: masked(name, output))
        for name in calls
    ]
    loss = F.cross_entropy(network.model(sample[0]), sample[1])
    for handle in handles:
        handle.remove()
    return torch.autograd.grad(loss, mask)[0]


def test_it_is_what_the_published_code_computes_inside_a_block() -> None:
    """There: act * grad summed over height and width, squared, mean over the batch, halved; grad of the mean loss."""
    network, (pictures, labels) = toys.preactivation(), toys.batches()[0]
    model: Any = network.model.eval()
    kept: list[Tensor] = []
    handle = model.relu.register_forward_hook(lambda module, given, output: kept.append(output))
    model.relu.inplace = False
    loss = F.cross_entropy(model(pictures), labels)
    handle.remove()
    act = kept[1]
    (grad,) = torch.autograd.grad(loss, act)
    g_nk = (act * grad).sum(-1).sum(-1)
    del_k = g_nk.pow(2).mean(0).mul(0.5)
    scores = score(CRITERION, network, [(pictures, labels)], torch.Generator())
    torch.testing.assert_close(scores["conv"], del_k.detach() * len(labels) ** 2, rtol=1e-10, atol=1e-16)


def test_a_shift_of_batchnorm_counts() -> None:
    """A unit of zero weights still passes its BatchNorm's shift on, which goes with the unit."""
    network = toys.chain()
    network.layer("2").get_parameter("weight").data[0] = 0
    norm: Any = network.layer("3")
    assert isinstance(norm, nn.BatchNorm2d)
    with torch.no_grad():
        norm.bias[0] = 5.0
    assert score(CRITERION, network, toys.batches(), torch.Generator())["2"][0] > 0
