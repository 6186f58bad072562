"""Norms of inputs: against patches cut out one by one, whatever the layer."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.plugins.criterion import Criterion
from prunebench.pruning.removal import remove
from prunebench.scoring.inputs import input_norms, squared_inputs
from prunebench.scoring.score import score
from prunebench.testing import toys


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3),
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 2), bias=False),
        nn.Conv2d(4, 6, 3, dilation=2, padding=2),
        nn.Conv2d(4, 6, 3, padding=1, groups=2),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 6, 3, padding=2, padding_mode="circular"),
        nn.Conv2d(4, 6, 3, padding="same", padding_mode="reflect"),
    ],
    ids=str,
)
def test_of_a_convolution_they_are_those_of_its_patches(layer: nn.Conv2d) -> None:
    layer, inputs = layer.double(), drawn(3, 4, 7, 8)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    padded = F.pad(inputs, layer._reversed_padding_repeated_twice, mode=mode)
    patches = F.unfold(padded, layer.kernel_size, layer.dilation, stride=layer.stride)
    expected = patches.square().sum((0, 2)).view(layer.groups, -1)
    units = layer.out_channels // layer.groups
    torch.testing.assert_close(squared_inputs(layer, inputs), expected.repeat_interleave(units, 0))


def test_of_a_linear_layer_they_are_those_of_its_columns() -> None:
    layer, rows = nn.Linear(5, 2).double(), drawn(3, 4, 5)
    for inputs in (rows, rows[:, 0]):
        expected = inputs.reshape(-1, 5).square().sum(0)
        torch.testing.assert_close(squared_inputs(layer, inputs), expected.expand(2, -1))


@pytest.mark.parametrize("toy", toys.TOYS)
def test_the_root_is_taken_of_the_mean_over_all_samples(toy: str) -> None:
    network, batches = toys.TOYS[toy](), toys.batches(3)
    given: dict[str, list[Tensor]] = {}
    for name in (layer for group in network.table.groups for layer in group.producers):
        given[name] = []
        network.layer(name).register_forward_pre_hook(lambda _, args, name=name: given[name].append(args[0].clone()))
    found = input_norms(network, batches)
    samples = sum(len(labels) for _, labels in batches)
    for name, parts in given.items():
        expected = (squared_inputs(network.layer(name), torch.cat(parts)) / samples).sqrt()
        assert len(parts) == 3
        torch.testing.assert_close(found[name], expected, rtol=1e-12, atol=0)


def test_the_network_is_in_eval_mode_and_left_as_it_was() -> None:
    network = toys.residual()
    network.model.train()
    network.layer("linear").register_forward_hook(lambda *_: 1 / 0)
    modes: list[bool] = []
    network.layer("bn1").register_forward_pre_hook(lambda module, _: modes.append(module.training))
    state = {name: value.clone() for name, value in network.model.state_dict().items()}
    with pytest.raises(ZeroDivisionError):
        input_norms(network, toys.batches())
    assert modes == [False]
    assert network.model.training
    assert all(torch.equal(value, state[name]) for name, value in network.model.state_dict().items())
    assert not network.layer("conv")._forward_pre_hooks


def test_a_score_may_ask_for_them_beside_other_evidence_and_jointly() -> None:
    calls: list[tuple[int, ...]] = []

    def alone(weight: Tensor, input_norm: Tensor) -> Tensor:
        calls.append(tuple(input_norm.shape))
        return (weight.abs() * input_norm).sum(1)

    def beside(weight: Tensor, input_norm: Tensor, output: Tensor) -> Tensor:
        return alone(weight, input_norm)

    network, batches = toys.residual(), toys.batches()
    once = score(Criterion(alone, coupling="joint"), network, batches, torch.Generator())["stem"]
    assert calls == [(5, 9 + 45)]
    each = score(Criterion(beside), network, batches, torch.Generator())["stem"]
    assert calls[1:] == [(5, 9), (5, 45)] * 2
    torch.testing.assert_close(once, each)


def test_a_pruned_network_shows_the_inputs_still_there() -> None:
    network = remove(toys.chain(), {"0": torch.tensor([1, 3])})
    assert input_norms(network, toys.batches())["2"].shape == (4, 4 * 4)
