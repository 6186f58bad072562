import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.data.pictures import Pictures
from prunebench.data.splits import BlockData, Split
from prunebench.errors import CellError
from prunebench.plugins.regulariser import AttachedTerm, Penalty
from prunebench.pruning.network import Network, Table
from prunebench.records.names import OptimiserName
from prunebench.records.sparse import did_nothing
from prunebench.seeding import generator
from prunebench.training.train import TrainingSettings, rate_at, train


def split(count: int, seed: int = 0) -> Split:
    draws = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, 1, 4, 4), generator=draws).to(torch.uint8)
    labels = torch.randint(0, 3, (count,), generator=draws)
    return Split(Pictures(images, labels), torch.full((1, 1, 1, 1), 0.5), torch.full((1, 1, 1, 1), 0.3))


def data(count: int = 16, validation: int = 6) -> BlockData:
    return BlockData(split(count), split(validation, 1), split(8, 2), split(5, 3), classes=3, augment=())


def network(seed: int = 0, *extra: nn.Module) -> Network:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), *extra, nn.Linear(16, 3))
    return Network.dense(model, Table((), {}))


PLAN = TrainingSettings("dense", epochs=2, rate=0.1, batch=8, weight_decay=0.01, seed=0)


def test_only_what_is_named_learns() -> None:
    net = network(0, nn.BatchNorm1d(16), nn.Dropout(0.9))
    net.model[0].bias.requires_grad_(False)
    before = {name: value.clone() for name, value in net.model.state_dict().items()}
    trained = train(net, data(), replace(PLAN, only=("5",)))
    changed = {name for name, value in net.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"5.weight", "5.bias"}
    assert {name for name, p in net.model.named_parameters() if not p.requires_grad} == {"0.bias"}
    assert len(trained.curve) == 2


@dataclass
class Gates:
    """One trained number, pulled down by its own term; notes what is asked of it."""

    rate_factor: float = 3.0
    draws: int = 0
    detached: bool = False
    parameters: list[nn.Parameter] = field(default_factory=lambda: [nn.Parameter(torch.tensor(2.0))])
    strength: float = 1.0

    def attach(self, network: Network, generator: torch.Generator) -> "Gates":
        return self

    def draw(self) -> None:
        self.draws += 1

    def penalty(self) -> Tensor:
        return 0.5 * self.parameters[0].square()

    def measure(self) -> Tensor:
        return self.penalty()

    def detach(self) -> dict[str, Tensor]:
        self.detached = True
        return {"group": self.parameters[0].detach()}


def test_the_rate_warms_up_and_then_falls_as_a_cosine() -> None:
    rates = [rate_at(step, 40, 0.2) for step in range(40)]  # a twentieth of 40 steps: 2 of warm-up
    assert rates[:2] == [0.1, 0.2]
    expected = [0.1 * (1 + math.cos(math.pi * k / 39)) for k in range(1, 39)]
    assert rates[2:] == pytest.approx(expected)
    assert all(a > b > 0 for a, b in pairwise(rates[1:]))


def test_a_constant_rate_follows_the_warm_up() -> None:
    rates = [rate_at(step, 40, 0.2, constant=True) for step in range(40)]
    assert rates == [0.1, 0.2] + [0.2] * 38
    curve = train(network(), data(), replace(PLAN, constant=True, epochs=3)).curve
    assert [epoch.rate for epoch in curve] == [PLAN.rate] * 3
    assert train(network(), data(), replace(PLAN, epochs=3)).curve[-1].rate < 0.1 * PLAN.rate


def test_one_step_has_the_peak_rate() -> None:
    assert rate_at(0, 1, 0.3) == 0.3


def by_hand(
    model: nn.Module, blocks: BlockData, plan: TrainingSettings, term: Callable[[nn.Module], Tensor]
) -> list[float]:
    """Train with torch.optim, as the docstrings say; gives the mean loss of each epoch."""
    order = generator(plan.seed, plan.stage, "order")
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, nesterov=True, weight_decay=plan.weight_decay)
    images, labels = blocks.train.pictures.images, blocks.train.pictures.labels
    count, losses, step = len(labels) // plan.batch, [], 0
    for _ in range(plan.epochs):
        total = 0.0
        for chosen in torch.randperm(len(labels), generator=order).split(plan.batch):
            optimiser.param_groups[0]["lr"] = rate_at(step, count * plan.epochs, plan.rate)
            loss = F.cross_entropy(model((images[chosen].float() / 255 - 0.5) / 0.3), labels[chosen])
            optimiser.zero_grad()
            (loss + term(model)).backward()
            optimiser.step()
            total, step = total + float(loss.detach()), step + 1
        losses.append(total / count)
    return losses


def test_training_is_nesterov_sgd_and_the_curve_shows_the_bare_loss() -> None:
    ours, theirs, blocks = network(), network(), data()
    penalty = Penalty(lambda weight: weight.square().sum(), strength=0.05)
    trained = train(ours, blocks, PLAN, penalty)
    losses = by_hand(theirs.model, blocks, PLAN, lambda model: 0.05 * model.get_submodule("0").weight.square().sum())
    for one, other in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert [epoch.loss for epoch in trained.curve] == pytest.approx(losses, rel=1e-5)
    assert [(epoch.stage, epoch.epoch) for epoch in trained.curve] == [("dense", 1), ("dense", 2)]
    assert trained.curve[0].validation is None
    assert trained.curve[1].validation is not None


def test_gates_have_their_own_rate_and_no_weight_decay() -> None:
    gates, net = Gates(), network()
    plan = replace(PLAN, epochs=1, batch=16, weight_decay=0.5)  # one step at the peak rate
    trained = train(net, data(16), plan, gates)
    # Nesterov's first step is (1 + 0.9) gradient; the gradient of z^2 / 2 at 2 is 2, of weight decay it would be 3.
    left = gates.parameters[0].item()
    assert left == pytest.approx(2 - 0.1 * 3.0 * 1.9 * 2)
    assert net.gates["group"].item() == left
    assert gates.detached
    assert gates.draws == 2  # one for the gradient ratio, one for the step
    assert trained.sparse is not None
    assert trained.sparse.before == 2.0
    assert trained.sparse.after == pytest.approx(0.5 * left**2)


def test_a_term_that_hardly_falls_is_flagged() -> None:
    def facts(strength: float) -> bool:
        plan = replace(PLAN, weight_decay=0.0, rate=0.01)
        sparse = train(network(), data(), plan, Penalty(lambda weight: weight.square().sum(), strength)).sparse
        assert sparse is not None
        return did_nothing(sparse, None)

    assert facts(1e-6)
    assert not facts(10.0)


def test_the_gradient_ratio_by_hand() -> None:
    net, blocks = network(), data()
    model = net.model
    pictures, labels = blocks.train.batches(PLAN.batch)[0]
    weight = model.get_submodule("0").weight
    assert isinstance(weight, Tensor)
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(pictures), labels), [weight])
    expected = float((2 * 0.05 * weight.detach()).norm() / gradient.norm())
    sparse = train(net, blocks, PLAN, Penalty(lambda weight: weight.square().sum(), strength=0.05)).sparse
    assert sparse is not None
    assert sparse.gradient_ratio == pytest.approx({"0.weight": expected})


def test_a_term_that_breaks_in_training_is_said() -> None:
    calls = []

    def late(weight: Tensor) -> Tensor:
        calls.append(1)
        return weight.abs().sum() * 1e-6 + (math.inf if len(calls) > 4 else 0.0)

    with pytest.raises(CellError, match="regulariser 'late' gives a term of inf"):
        train(network(), data(), PLAN, Penalty(late, strength=1.0))


def test_what_a_term_measures_is_compared_not_its_growing_factor() -> None:
    class Growing(AttachedTerm):
        def measure(self) -> Tensor:
            return torch.tensor(4.0)

    class Rule(Gates):
        def attach(self, network: Network, generator: torch.Generator) -> Growing:  # type: ignore[override]
            weight = network.layer("0").get_parameter("weight")
            return Growing(lambda: weight.abs().sum())

    sparse = train(network(), data(), PLAN, Rule()).sparse
    assert sparse is not None
    assert (sparse.before, sparse.after) == (4.0, 4.0)


def test_a_loss_that_is_not_finite_ends_the_cell() -> None:
    with pytest.raises(CellError, match=r"training diverged in stage 'dense', epoch \d: the loss is (nan|inf)"):
        train(network(), data(), replace(PLAN, rate=1e30, epochs=3))


def test_no_epochs_leave_the_network_as_it_is() -> None:
    net = network()
    before = [p.clone() for p in net.model.parameters()]
    assert train(net, data(), replace(PLAN, epochs=0), Gates()).curve == []
    assert all(torch.equal(a, b) for a, b in zip(before, net.model.parameters(), strict=True))


def test_a_last_batch_of_one_picture_is_left_out() -> None:
    trained = train(network(0, nn.BatchNorm1d(16)), data(17), PLAN)
    assert all(math.isfinite(epoch.loss) for epoch in trained.curve)


def test_training_repeats_bit_for_bit_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    nets = [network(0, nn.Dropout(0.5)) for _ in range(2)]
    torch.set_rng_state(state)
    for net in nets:
        train(net, data(), PLAN)
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(nets[0].model.parameters(), nets[1].model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_every_epoch_is_told() -> None:
    told: list[str] = []
    train(network(), data(), PLAN, tick=told.append)
    assert told == ["dense epoch 1/2", "dense epoch 2/2"]


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_an_adaptive_optimiser_steps_as_torchs_own(name: OptimiserName, kind: type[torch.optim.Optimizer]) -> None:
    plan = replace(PLAN, epochs=1, batch=16, rate=1e-3, weight_decay=0.1, optimiser=name)
    ours, theirs = network(), network().model  # one batch of all pictures: their order does not matter
    optimiser = kind(theirs.parameters(), lr=1e-3, weight_decay=0.1)  # type: ignore[call-arg]
    inputs, labels = data().train.batches(16)[0]
    F.cross_entropy(theirs(inputs), labels).backward()
    optimiser.step()
    train(ours, data(), plan)
    for a, b in zip(ours.model.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_first_step_of_adam_is_the_rate_for_every_weight() -> None:
    net = network()
    before = [p.detach().clone() for p in net.model.parameters()]
    train(net, data(), replace(PLAN, epochs=1, batch=16, rate=1e-3, weight_decay=0.0, optimiser="adam"))
    moved = torch.cat([(a - b).detach().abs().flatten() for a, b in zip(net.model.parameters(), before, strict=True)])
    assert float(moved.max()) == pytest.approx(1e-3, rel=1e-3)
    assert float(moved.median()) == pytest.approx(1e-3, rel=0.02)
