"""ZipLM against least squares: at every step, each unit is tried and the other weights are fitted anew."""

import pytest
import torch
from torch import Tensor, nn

from prunebench.criteria._patches import add_to, empty_gram, patches_of
from prunebench.criteria.ziplm import CRITERION, Surgeon, removal_errors
from prunebench.errors import UserError
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.scoring.score import score
from prunebench.testing import toys

READERS = {
    "chain": {"0": ("2",), "2": ("6",), "6": ("9",)},
    "residual": {"stem": ("conv", "linear")},
    "depthwise": {"0": ("6",), "6": ("9",)},
    "dense": {"stem": ("conv1", "conv2", "linear"), "conv1": ("conv2", "linear"), "conv2": ("linear",)},
}


@torch.no_grad()
def design(network: Network, group: str, name: str) -> tuple[Tensor, Tensor, list[list[int]]]:
    """Inputs of every output element (n, fan_in), weights (rows, fan_in), and the columns of each unit; loops alone."""
    kept: list[Tensor] = []
    layer = network.layer(name)
    handle = layer.register_forward_pre_hook(lambda _, given: kept.append(given[0].clone()))
    network.model.eval()
    for pictures, _ in toys.batches():
        network.model(pictures)
    handle.remove()
    inputs, index = torch.cat(kept), network.positions(network.table.group(group), name, "in").tolist()
    if isinstance(layer, nn.Linear):
        return inputs, layer.weight.detach(), index
    assert isinstance(layer, nn.Conv2d)
    (high, wide), (step, _), (pad, _) = layer.kernel_size, layer.stride, layer.padding  # type: ignore[misc]
    padded = nn.functional.pad(inputs, (int(pad),) * 4)
    rows = [
        padded[:, :, top : top + high, left : left + wide].flatten(1)
        for top in range(0, padded.shape[2] - high + 1, step)
        for left in range(0, padded.shape[3] - wide + 1, step)
    ]
    size = high * wide
    columns = [[size * channel + place for channel in unit for place in range(size)] for unit in index]
    return torch.cat(rows), layer.weight.detach().flatten(1), columns


def loss(x: Tensor, weight: Tensor, gone: list[int], ridge: float) -> float:
    """Least ||X (V - W)||^2 + ridge ||V - W||^2 over all V whose columns `gone` are zero."""
    stacked = torch.cat((x, ridge**0.5 * torch.eye(x.shape[1], dtype=x.dtype)))
    wanted = stacked @ weight.T
    left = [column for column in range(x.shape[1]) if column not in gone]
    if not left:
        return float(wanted.square().sum())
    solution = torch.linalg.lstsq(stacked[:, left], wanted).solution
    return float((stacked[:, left] @ solution - wanted).square().sum())


@pytest.mark.parametrize("toy", READERS)
def test_each_step_removes_the_unit_of_least_error_after_the_best_fit(toy: str) -> None:
    network = toys.TOYS[toy]()
    found = score(CRITERION, network, toys.batches(), torch.Generator())
    for group, names in READERS[toy].items():
        parts = [design(network, group, name) for name in names]
        ridges = [0.01 * float(x.square().sum(dim=0).mean()) for x, _, _ in parts]
        order = found[group].argsort().tolist()

        def error(units: list[int], parts: list[tuple[Tensor, Tensor, list[list[int]]]], ridges: list[float]) -> float:
            gone = [[column for unit in units for column in columns[unit]] for _, _, columns in parts]
            return sum(loss(x, w, g, r) for (x, w, _), g, r in zip(parts, gone, ridges, strict=True))

        whole = sum(loss(x, w, list(range(x.shape[1])), r) for (x, w, _), r in zip(parts, ridges, strict=True))
        for step, unit in enumerate(order):
            tried = {one: error([*order[:step], one], parts, ridges) for one in order[step:]}
            assert min(tried, key=tried.__getitem__) == unit
            assert float(found[group][unit]) == pytest.approx(tried[unit] / whole, rel=1e-8, abs=1e-12)


def test_of_two_units_that_say_the_same_one_goes_first_and_the_other_late() -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, 1] = x[:, 0]
    weight = torch.tensor([[3.0, 3.0, 1.0]], dtype=torch.float64)
    errors = removal_errors([Surgeon(x.T @ x, weight, torch.tensor([[0], [1], [2]]), 1e-9)], 3)
    assert sorted(errors[:2].tolist())[0] == pytest.approx(0, abs=1e-6)
    assert errors.argsort().tolist() in ([0, 2, 1], [1, 2, 0])
    assert float(errors.max()) == pytest.approx(1)


def test_a_convolution_with_groups_has_a_hessian_for_each() -> None:
    network = toys.grouped()
    reader = network.layer("2")
    assert isinstance(reader, nn.Conv2d) and reader.groups == 2
    gram, inputs = empty_gram(reader), torch.randn(3, 4, 5, 5, dtype=torch.float64)
    add_to(gram, reader, inputs)
    for number in range(2):
        alone = nn.Conv2d(2, 3, 3).double()
        expected = empty_gram(alone)
        add_to(expected, alone, inputs[:, 2 * number : 2 * number + 2])
        torch.testing.assert_close(gram[number], expected[0])


def test_a_dead_unit_goes_first_also_in_a_pruned_network() -> None:
    network = remove(toys.chain(), {"0": torch.tensor([2])})
    layer = network.layer("0")
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    with torch.no_grad():
        layer.weight[3], layer.bias[3] = 0, -1  # its ReLU gives nothing
    scores = score(CRITERION, network, toys.batches(), torch.Generator())["0"]
    assert scores.shape == (5,) and int(scores.argmin()) == 3
    with pytest.raises(UserError, match="option damping=0 of 'ziplm' must be more than 0"):
        CRITERION.with_options({"damping": "0"})


@pytest.mark.parametrize("mode", ["zeros", "circular"])
@torch.no_grad()
def test_patches_times_weights_are_the_outputs(mode: str) -> None:
    layer = nn.Conv2d(2, 5, (3, 2), stride=2, padding=1, dilation=2, bias=False, padding_mode=mode)
    inputs = torch.randn(3, 2, 9, 8)
    torch.testing.assert_close(layer.weight.flatten(1) @ patches_of(layer, inputs), layer(inputs).flatten(2))
