"""Gates against the hard-concrete distribution itself, and against the networks they are folded into."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.pruning.analysis import analyse
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Group, Network, Slice, Table
from prunebench.pruning.removal import remove
from prunebench.pruning.unit_weights import own_parameters
from prunebench.testing import toys
from prunebench.training.gates import AttachedGates, Gates, expected_gate, open_probability, openness, sampled_gate


def attached(network: Network, seed: int = 0, **options: float) -> AttachedGates:
    rule = Gates(strength=options.pop("strength", 0.5), **options)
    return rule.attach(network, torch.Generator().manual_seed(seed))


def set_gates(gates: AttachedGates) -> None:
    with torch.no_grad():
        for parameter in gates.parameters:
            parameter.copy_(torch.linspace(-4, 4, parameter.numel()))


def test_a_drawn_gate_is_the_papers_formula() -> None:
    log_alpha, u = 0.7, 0.3
    s = 1 / (1 + math.exp(-(math.log(u) - math.log(1 - u) + log_alpha) / (2 / 3)))
    expected = min(1, max(0, s * (1.1 + 0.1) - 0.1))
    found = sampled_gate(torch.tensor(log_alpha, dtype=torch.float64), torch.tensor(u, dtype=torch.float64))
    assert float(found) == pytest.approx(expected, rel=1e-12)
    s = 1 / (1 + math.exp(-log_alpha))
    assert float(expected_gate(torch.tensor(log_alpha, dtype=torch.float64))) == pytest.approx(s * 1.2 - 0.1, rel=1e-12)


@pytest.mark.parametrize("log_alpha", [-2.0, 0.0, 1.0])
def test_the_share_of_open_gates_is_the_open_probability(log_alpha: float) -> None:
    draws = 200_000
    u = torch.rand(draws, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    share = float((sampled_gate(torch.tensor(log_alpha, dtype=torch.float64), u) > 0).double().mean())
    p = float(open_probability(torch.tensor(log_alpha, dtype=torch.float64)))
    assert p == pytest.approx(1 / (1 + math.exp(-(log_alpha + 2 / 3 * math.log(11)))), rel=1e-12)
    assert share == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / draws))


def test_the_term_is_the_price_of_the_open_units() -> None:
    gates = attached(toys.chain(), strength=0.5, droprate=0.5)
    assert float(gates.penalty().detach()) == pytest.approx(0.5 / (1 + 11 ** (-2 / 3)))  # log alpha 0: eq. 12 by hand
    assert [len(p) for p in gates.parameters] == [6, 4, 8]
    assert gates.rate_factor == Gates(1.0).rate


SIZES = {  # own parameters of a unit, and units, by hand
    "chain": [(9 + 1, 6), (24 + 2, 4), (16 + 1, 8)],
    "residual": [(9 + 2 + 45 + 2, 5)],
    "depthwise": [(9 + 1 + 2 + 9 + 1 + 2, 4), (4 + 1, 3)],
    "grouped": [(2 * (18 + 1), 3)],  # a unit is a filter of each convolution group
}


@pytest.mark.parametrize("toy", SIZES)
def test_term_and_gradient_are_those_of_the_paper_with_the_parameters_of_each_gate(toy: str) -> None:
    network = toys.TOYS[toy]()
    gates = attached(network, strength=0.7)
    set_gates(gates)
    sizes = {group.name: SIZES[toy][number] for number, group in enumerate(network.table.groups)}
    total = sum(size * units for size, units in sizes.values())
    names = list(network.units)
    expected = 0.0
    gradients = torch.autograd.grad(gates.penalty(), gates.parameters)
    for name, log_alpha, gradient in zip(names, gates.parameters, gradients, strict=True):
        size, units = sizes[name]
        assert len(log_alpha) == units
        for a, slope in zip(log_alpha.tolist(), gradient.tolist(), strict=True):
            closed = 1 / (1 + math.exp(-(2 / 3 * math.log((0.1 / 1.2) / (1 - 0.1 / 1.2)) - a)))  # Q(s <= 0), eq. 24
            expected += 0.7 * size * (1 - closed) / total
            assert slope == pytest.approx(0.7 * size * closed * (1 - closed) / total, rel=1e-12)
    assert float(gates.penalty().detach()) == pytest.approx(expected, rel=1e-12)


def test_a_pruned_network_counts_what_is_left() -> None:
    network = remove(toys.chain(), {"0": torch.tensor([1, 4]), "6": torch.tensor([0])})
    sizes = [own_parameters(network, group) for group in network.table.groups]
    assert sizes == [9 + 1, 4 * 4 + 2, 16 + 1]  # four of six inputs are left
    assert float(attached(network, strength=0.5, droprate=0.5).penalty().detach()) == pytest.approx(
        0.5 / (1 + 11 ** (-2 / 3))
    )


def test_the_start_is_the_papers_dropout_rate() -> None:
    for rate in (0.1, 0.5, 0.8):
        gates = attached(toys.chain(), droprate=rate)
        assert gates.parameters[0].sigmoid().tolist() == pytest.approx([1 - rate] * 6)


def test_gates_are_counted_by_tenths_of_their_open_probability() -> None:
    shift = 2 / 3 * math.log(0.1 / 1.1)
    log_alpha = torch.tensor([math.log(p / (1 - p)) + shift for p in (0.05, 0.15, 0.19, 0.55, 0.95, 0.999999)])
    assert openness(log_alpha.double()) == (1, 2, 0, 0, 0, 1, 0, 0, 0, 2)
    assert openness(torch.tensor([-1e4, 1e4])) == (1, 0, 0, 0, 0, 0, 0, 0, 0, 1)


@pytest.mark.parametrize("make", [toys.chain, toys.residual, toys.depthwise, toys.grouped])
def test_the_folded_network_equals_the_gated_one(make: Any) -> None:
    network, pictures = make(), toys.batches()[0][0]
    network.model.eval()
    before = network.model(pictures).detach()
    gates = attached(network)
    set_gates(gates)
    gated = network.model(pictures).detach()
    learned = gates.detach()
    torch.testing.assert_close(network.model(pictures).detach(), gated, rtol=1e-12, atol=1e-14)
    assert not torch.allclose(before, gated)
    assert not any(m._forward_hooks for m in network.model.modules())
    assert {name: len(values) for name, values in learned.items()} == network.units
    assert not any(values.requires_grad for values in learned.values())


class Skip(nn.Module):
    """A depthwise convolution around which its input goes, too."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.depth, self.last = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Linear(4, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        stem = self.stem(pictures).relu()
        scores: Tensor = self.last((stem + self.depth(stem)).mean((2, 3)))
        return scores


@pytest.mark.parametrize("name", ["residual", "depthwise", "skip"])
def test_a_closed_gate_is_a_removed_unit_in_all_layers_of_its_group(name: str) -> None:
    pictures, skip = toys.batches()[0][0], Skip().double()
    network = Network.dense(skip, analyse(skip, pictures)) if name == "skip" else toys.TOYS[name]()
    network.model.eval()
    group = network.table.groups[0].name
    small = remove(network, {group: torch.tensor([1])}).model(pictures).detach()
    gates = attached(network)
    with torch.no_grad():
        for log_alpha in gates.parameters:
            log_alpha.fill_(9)
        gates.parameters[0][1] = -9
    torch.testing.assert_close(network.model(pictures).detach(), small)


def test_a_gate_acts_once_on_the_way_through_a_depthwise_convolution() -> None:
    network, pictures = toys.depthwise(), toys.batches()[0][0]
    network.model.eval()
    through = network.model[:5]  # type: ignore[index]
    before = through(pictures).detach()
    gates = attached(network)
    set_gates(gates)
    gate = expected_gate(gates.parameters[0].detach())
    torch.testing.assert_close(through(pictures).detach(), before * gate.view(-1, 1, 1))


def option_a() -> tuple[nn.Module, Tensor]:
    class Stages(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.bn = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
            self.b, self.pad = nn.Conv2d(4, 6, 3, padding=1, stride=2), ChannelPad(4, 6)
            self.head = nn.Linear(6, 3)

        def forward(self, pictures: Tensor) -> Tensor:
            x = self.bn(self.a(pictures)).relu()
            scores: Tensor = self.head((self.b(x) + self.pad(x)).relu().mean((2, 3)))
            return scores

    torch.manual_seed(0)
    return Stages().double(), toys.batches()[0][0]


@pytest.mark.parametrize("pruned", [False, True])
def test_zero_padded_shortcuts_are_gated_and_folded(pruned: bool) -> None:
    model, pictures = option_a()
    network = Network.dense(model, analyse(model, pictures))
    if pruned:
        network = remove(network, {"b": torch.tensor([0, 2]), "a": torch.tensor([1])})
    network.model.eval()
    gates = attached(network)
    set_gates(gates)
    gated = network.model(pictures).detach()
    learned = gates.detach()
    torch.testing.assert_close(network.model(pictures).detach(), gated, rtol=1e-12, atol=1e-14)
    pad = network.layer("pad")
    assert isinstance(pad, ChannelPad)
    torch.testing.assert_close(pad.scale.double(), expected_gate(learned["b"]), rtol=1e-6, atol=1e-7)
    closed = {name: network.kept[name][expected_gate(values) == 0] for name, values in learned.items()}
    assert len(closed["b"])
    torch.testing.assert_close(remove(network, closed).model(pictures).detach(), gated)


def test_gates_are_drawn_once_a_step_in_training_only() -> None:
    network, pictures = toys.chain(), toys.batches()[0][0]
    network.layer("8").p = 0.0  # type: ignore[assignment]
    before = torch.get_rng_state()
    gates = attached(network)
    network.model.train()
    first, again = network.model(pictures).detach(), network.model(pictures).detach()
    assert torch.equal(first, again)
    gates.draw()
    assert not torch.equal(first, network.model(pictures).detach())
    network.model.eval()
    expected = network.model(pictures).detach()
    gates.draw()
    assert torch.equal(network.model(pictures).detach(), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_gates_learn_from_the_loss_and_the_term() -> None:
    network, (pictures, labels) = toys.residual(), toys.batches()[0]
    gates = attached(network, droprate=0.5)
    gates._noise["stem"].fill_(0.4)  # no gate is clipped
    network.model.train()
    loss = nn.functional.cross_entropy(network.model(pictures), labels)
    (by_loss,) = torch.autograd.grad(loss, gates.parameters)
    (by_term,) = torch.autograd.grad(gates.penalty(), gates.parameters)
    assert by_loss.abs().min() > 0
    assert (by_term > 0).all()


def test_the_steps_of_log_alpha_do_not_depend_on_the_scale_of_its_gradient() -> None:
    moved = []
    for strength in (1e-4, 1.0):
        gates = attached(toys.chain(), strength=strength, droprate=0.5)
        optimiser = torch.optim.SGD(gates.parameters, lr=0.1)
        for _ in range(5):
            optimiser.zero_grad()
            gates.penalty().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        moved.append(gates.parameters[0].detach())
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-4, atol=0)
    assert moved[0].mean() == pytest.approx(-0.5, rel=0.15)  # five steps of about 0.1 against the term


def test_the_first_gradients_are_divided_by_their_root_mean_square() -> None:
    (parameter, *_), gradients, square = attached(toys.chain()).parameters, (0.5, -2.0, 0.1), 0.0
    for step, gradient in enumerate(gradients, start=1):
        parameter.grad = None
        (parameter * gradient).sum().backward()  # type: ignore[no-untyped-call]
        square = 0.99 * square + 0.01 * gradient**2
        expected = gradient / math.sqrt(square / (1 - 0.99**step))
        assert parameter.grad is not None
        assert parameter.grad.tolist() == pytest.approx([expected] * 6)


def test_somebody_elses_batchnorm_is_refused() -> None:
    network = toys.chain()
    group = network.table.groups[0]
    slices = (*group.slices, Slice("3", "out", torch.arange(6)[:, None]))
    foreign = Group(group.name, group.units, group.producers, slices)
    table = Table((foreign,), network.table.positions)
    with pytest.raises(CellError, match="before BatchNorm '3', which does not directly follow"):
        attached(Network.dense(network.model, table))


def test_a_batchnorm_without_weight_is_refused() -> None:
    network = toys.residual()
    network.model.bn2 = nn.BatchNorm2d(5, affine=False).double()
    with pytest.raises(CellError, match="'bn2', which needs affine=True"):
        attached(network)
