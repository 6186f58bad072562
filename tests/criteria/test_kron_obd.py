"""Kron-OBD against the matrices A and S written out, patch by patch, and against their Kronecker product."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.criteria.kron_obd import CRITERION, kron_obd
from prunebench.errors import CellError, UserError
from prunebench.testing import toys

Pairs = Sequence[tuple[Tensor, Tensor]]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def built(*layers: nn.Module) -> nn.Sequential:
    """Give a network in float64 with weights of its own."""
    model = nn.Sequential(*layers).double().eval()
    draws = generator(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.7 * torch.randn(parameter.shape, generator=draws, dtype=torch.float64))
    return model


def pictures(count: int, *shape: int) -> Pairs:
    draws = generator(4)
    x = torch.randn(count, *shape, generator=draws, dtype=torch.float64)
    return [(x, torch.randint(3, (count,), generator=draws))]


def passed(layer: Any, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer reads, and the gradient of each sample's own loss at what it puts out."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        kept.extend([inputs[0], output])
        return output.clone()  # the next layer may work in place

    handle = layer.register_forward_hook(keep)
    loss = F.cross_entropy(model(x), y, reduction="sum")
    handle.remove()
    return kept[0].detach(), torch.autograd.grad(loss, kept[1])[0]


def patches(layer: Any, x: Tensor, unit: int) -> Tensor:
    """Cut out what a unit's weights lie on at every position, by loops. Gives (batch, positions, fan_in)."""
    (high, wide), (down, right) = layer.kernel_size, layer.stride
    (top, left), (apart, aside) = layer.padding, layer.dilation
    ins = layer.in_channels // layer.groups
    first = unit // (layer.out_channels // layer.groups) * ins
    x = F.pad(x, (left, left, top, top))[:, first : first + ins]
    rows = range(0, x.shape[2] - apart * (high - 1), down)
    columns = range(0, x.shape[3] - aside * (wide - 1), right)
    cut = [x[:, :, r : r + apart * high : apart, c : c + aside * wide : aside] for r in rows for c in columns]
    return torch.stack([piece.flatten(1) for piece in cut], dim=1)


def explicit(model: nn.Module, layer: Any, pairs: Pairs, unit: int) -> Tensor:
    """1/2 S_ii theta^T A theta from A = mean_n sum_t a a^T and S = 1/T mean_n sum_t g g^T."""
    A: Any = 0
    S: Any = 0
    for x, y in pairs:
        read, g = passed(layer, model, x, y)
        a = patches(layer, read, unit) if isinstance(layer, nn.Conv2d) else read.reshape(len(x), -1, read.shape[-1])
        g = g.flatten(2).transpose(1, 2) if isinstance(layer, nn.Conv2d) else g.reshape(len(x), -1, g.shape[-1])
        if layer.bias is not None:
            a = torch.cat([a, a.new_ones(*a.shape[:2], 1)], dim=2)
        for a_n, g_n in zip(a, g, strict=True):
            for a_t, g_t in zip(a_n, g_n, strict=True):
                A, S = A + torch.outer(a_t, a_t), S + torch.outer(g_t, g_t) / len(a_n)
    samples = sum(len(y) for _, y in pairs)
    theta = layer.weight[unit].detach().flatten()
    if layer.bias is not None:
        theta = torch.cat([theta, layer.bias[unit : unit + 1].detach()])
    damage: Tensor = 0.5 * (S / samples)[unit, unit] * (theta @ (A / samples) @ theta)
    return damage


CONVOLUTIONS = {
    "strided, padded, biased": nn.Conv2d(2, 4, 3, stride=2, padding=1),
    "without bias": nn.Conv2d(2, 3, (2, 3), bias=False),
    "dilated": nn.Conv2d(2, 3, 2, dilation=2, stride=(1, 2), padding=(0, 1)),
    "grouped": nn.Conv2d(4, 6, 3, groups=2, padding=1),
    "depthwise": nn.Conv2d(3, 3, 3, groups=3),
}


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_of_a_convolution_it_is_the_explicit_form(kind: str) -> None:
    layer = CONVOLUTIONS[kind]
    model = built(layer, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(layer.out_channels, 3))
    (whole,) = pictures(5, layer.in_channels, 6, 6)
    pairs = [(whole[0][:3], whole[1][:3]), (whole[0][3:], whole[1][3:])]
    scores = kron_obd(model, pairs, generator(), labels="true")
    assert set(scores) == {"0", "4"}
    for name, values in scores.items():
        expected = [explicit(model, model.get_submodule(name), pairs, unit) for unit in range(len(values))]
        torch.testing.assert_close(values, torch.stack(expected), rtol=1e-10, atol=0)


@pytest.mark.parametrize("bias", [True, False])
def test_of_a_linear_layer_it_is_the_explicit_form_on_sequences_too(bias: bool) -> None:
    model = built(nn.Linear(3, 4, bias=bias), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3, bias=bias))
    pairs = pictures(5, 2, 3)
    for name, values in kron_obd(model, pairs, generator(), labels="true").items():
        expected = [explicit(model, model.get_submodule(name), pairs, unit) for unit in range(len(values))]
        torch.testing.assert_close(values, torch.stack(expected), rtol=1e-10, atol=0)


@pytest.mark.parametrize("layer", [nn.Linear(4, 3), nn.Conv2d(1, 3, 2)], ids=str)
def test_of_one_sample_and_position_it_is_the_fisher_matrix_itself(layer: Any) -> None:
    """Then S (x) A = g g^T, with g the sample's gradient of weights and bias: nothing is approximated."""
    pairs = pictures(1, *((4,) if isinstance(layer, nn.Linear) else (1, 2, 2)))
    model = built(layer, nn.Flatten(), nn.Tanh(), nn.Linear(3, 3))
    read, g = passed(layer, model, *pairs[0])
    a = torch.cat([read.flatten(), read.new_ones(1)])
    block = torch.kron(torch.outer(g.flatten(), g.flatten()), torch.outer(a, a))
    gradients = torch.autograd.grad(F.cross_entropy(model(pairs[0][0]), pairs[0][1]), [layer.weight, layer.bias])
    flat = torch.cat([gradients[0].flatten(1), gradients[1][:, None]], dim=1).flatten()
    torch.testing.assert_close(block, torch.outer(flat, flat))
    for unit, value in enumerate(kron_obd(model, pairs, generator(), labels="true")["0"]):
        theta = torch.zeros(3, len(a), dtype=torch.float64)
        theta[unit] = torch.cat([layer.weight[unit].flatten(), layer.bias[unit : unit + 1]]).detach()
        torch.testing.assert_close(value, 0.5 * theta.flatten() @ block @ theta.flatten(), rtol=1e-10, atol=0)


def test_drawn_labels_give_on_average_what_all_labels_give() -> None:
    network = toys.chain()
    model, pairs = network.model.eval(), toys.batches()
    samples = torch.cat([x for x, _ in pairs])
    probabilities = model(samples).softmax(1).detach()
    expected: dict[str, Any] = dict.fromkeys(("0", "2", "6", "9"), 0)
    for name in expected:
        for label in range(toys.CLASSES):
            read, g = passed(network.layer(name), model, samples, torch.full((8,), label))
            square = g.square() if g.ndim == 2 else g.square().mean((2, 3))
            expected[name] = expected[name] + (probabilities[:, label, None] * square).sum(0) / 8
        output = network.layer(name)(read).detach()
        expected[name] *= 0.5 * output.square().transpose(0, 1).flatten(1).sum(1) / 8
    draws, rolls = generator(), 300
    found = [kron_obd(model, pairs, draws) for _ in range(rolls)]
    for name, mean in expected.items():
        sample = torch.stack([scores[name] for scores in found])
        error = sample.std(0) / rolls**0.5
        assert (error > 0).sum() > len(error) / 2
        assert ((sample.mean(0) - mean).abs() <= 4 * error).all()  # both are 0 for a unit that is never active


def test_the_default_draws_labels_from_the_generator_alone() -> None:
    model, pairs = toys.residual().model.eval(), toys.batches()
    first, again, other = (kron_obd(model, pairs, generator(seed))["conv"] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    turned = [(x, (y + 1) % toys.CLASSES) for x, y in pairs]
    assert torch.equal(first, kron_obd(model, turned, generator())["conv"])
    wrong, right = (kron_obd(model, given, generator(), labels="true")["conv"] for given in (turned, pairs))
    assert not torch.allclose(wrong, right)


def test_labels_that_do_not_exist() -> None:
    with pytest.raises(UserError, match=r"labels 'drawn'.*sampled"):
        CRITERION.with_options({"labels": "drawn"})
    assert CRITERION.with_options({"labels": "true"}).label == "kron_obd:labels=true"


def test_a_layer_that_runs_twice_is_refused() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            scores: Tensor = self.head(self.layer(self.layer(inputs)))
            return scores

    with pytest.raises(CellError, match="layer 'layer' runs more than once in a forward pass"):
        kron_obd(Twice().double(), [(torch.ones(2, 4, dtype=torch.float64), torch.tensor([0, 1]))], generator())
