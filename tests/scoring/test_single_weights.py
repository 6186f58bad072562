from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.criteria.block_obd import CRITERION as BLOCK_OBD
from prunebench.criteria.hsqgl12 import CRITERION as HSQGL12
from prunebench.criteria.l0 import CRITERION as L0
from prunebench.criteria.magnitude import CRITERION as MAGNITUDE
from prunebench.criteria.obd import CRITERION as OBD
from prunebench.criteria.random_scores import CRITERION as RANDOM
from prunebench.criteria.taylor import CRITERION as TAYLOR
from prunebench.errors import CellError
from prunebench.plugins.criterion import Criterion, ModelScore
from prunebench.pruning.analysis import analyse
from prunebench.pruning.masks import without
from prunebench.pruning.network import Network
from prunebench.scoring.score import score_weights
from prunebench.scoring.single_weights import for_units_only


@pytest.fixture
def network() -> Network:
    """Two convolutions (the second grouped, with a BatchNorm) and a classifier, in float64."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=2, bias=False), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(16, 3)).double()
    return Network.dense(model, analyse(model, torch.zeros(1, 1, 6, 6, dtype=torch.float64)))


def batches(count: int = 2, size: int = 4) -> list[tuple[Tensor, Tensor]]:
    draws = torch.Generator().manual_seed(7)
    return [
        (
            torch.randn(size, 1, 6, 6, generator=draws, dtype=torch.float64),
            torch.randint(0, 3, (size,), generator=draws),
        )
        for _ in range(count)
    ]


def scores(criterion: Criterion, network: Network, seed: int = 0) -> dict[str, Tensor]:
    return score_weights(criterion, network, batches(), torch.Generator().manual_seed(seed))


def gradients(network: Network, pictures: Tensor, labels: Tensor) -> dict[str, Tensor]:
    network.model.eval()
    loss = F.cross_entropy(network.model(pictures), labels)
    names = ("0", "3", "5")
    found = torch.autograd.grad(loss, [network.model.get_parameter(f"{name}.weight") for name in names])
    return dict(zip(names, found, strict=True))


def test_every_layer_is_scored_the_classifier_too(network: Network) -> None:
    found = scores(MAGNITUDE, network)
    for name in ("0", "3", "5"):
        assert torch.equal(found[name], network.model.get_parameter(f"{name}.weight").detach().flatten().abs())
    assert set(found) == {"0", "3", "5"}


def test_taylor_is_the_mean_over_batches_of_the_squared_change(network: Network) -> None:
    found = scores(TAYLOR, network)
    for name in found:
        weight = network.model.get_parameter(f"{name}.weight").detach()
        expected = torch.stack([(weight * gradients(network, *batch)[name]).square() for batch in batches()]).mean(0)
        torch.testing.assert_close(found[name], expected.flatten())


def test_obd_by_brute_force(network: Network) -> None:
    """1/2 h w^2 with h the mean over samples of squared gradients of each sample's own loss (empirical Fisher)."""
    found = scores(replace(OBD, curvature="empirical"), network)
    samples = [(x[None], y[None]) for pictures, labels in batches() for x, y in zip(pictures, labels, strict=True)]
    for name in found:
        weight = network.model.get_parameter(f"{name}.weight").detach()
        h = torch.stack([gradients(network, *sample)[name].square() for sample in samples]).mean(0)
        torch.testing.assert_close(found[name], (0.5 * h * weight.square()).flatten())


def test_obd_by_hand() -> None:
    """Softmax p = (.8, .2) of a linear layer that reads x = (1, 2): h of weight (c, i) is p_c (1 - p_c) x_i^2."""
    p = torch.tensor([0.8, 0.2])
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.Flatten(), nn.Linear(2, 2, bias=False))
    network = Network.dense(model, analyse(model, torch.zeros(1, 1, 1, 1)))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))
        model[2].weight.copy_(torch.tensor([[0.0, p[0].log() / 2], [p[1].log(), 0.0]]))
    one = [(torch.ones(1, 1, 1, 1), torch.tensor([0]))]
    found = score_weights(replace(OBD, curvature="exact"), network, one, torch.Generator())["2"]
    expected = [0.0, 0.5 * 0.16 * 4 * (p[0].log() / 2) ** 2, 0.5 * 0.16 * 1 * p[1].log() ** 2, 0.0]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_scores_are_of_the_weights_still_there_in_flat_order(network: Network) -> None:
    pruned = without(network, {"3": torch.tensor([0, 5, 71])})
    found = scores(MAGNITUDE, pruned)["3"]
    weight = network.model.get_parameter("3.weight").detach().flatten().abs()
    assert torch.equal(found, weight[[i for i in range(72) if i not in (0, 5, 71)]])


def test_channels_last_does_not_change_the_order(network: Network) -> None:
    before = scores(MAGNITUDE, network)["3"]
    network.model.to(memory_format=torch.channels_last)
    assert torch.equal(scores(MAGNITUDE, network)["3"], before)


def test_finish_sees_a_layers_weights_together(network: Network) -> None:
    shares = replace(MAGNITUDE, finish=lambda values: values / values.sum())
    assert all(float(values.sum()) == pytest.approx(1) for values in scores(shares, network).values())


def test_random_draws_from_its_generator_only(network: Network) -> None:
    state = torch.get_rng_state()
    one, same, other = (scores(RANDOM, network, seed)["0"] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_is_changed(network: Network) -> None:
    network.model.train()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    scores(OBD, network)
    assert network.model.training
    assert all(parameter.grad is None for parameter in network.model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.model.state_dict().items())


@pytest.mark.parametrize(
    ("criterion", "why"),
    [
        (BLOCK_OBD, "a single weight has no output or output_grad"),
        (L0, "a single weight has no gate"),
        (replace(MAGNITUDE, units_only=True), "its score needs whole units"),
        (ModelScore(lambda model, batches, generator: {}, name="whole"), "it scores whole layers"),
    ],
)
def test_units_only(criterion: Criterion, why: str, network: Network) -> None:
    text = f"criterion '{criterion.label}' is for units only: {why}"
    assert for_units_only(criterion) == text
    with pytest.raises(CellError, match=text):
        scores(criterion, network)


@pytest.mark.parametrize("criterion", [MAGNITUDE, OBD, TAYLOR, RANDOM, HSQGL12])
def test_the_others_are_not(criterion: Criterion) -> None:
    assert for_units_only(criterion) == ""


def test_scores_that_are_not_finite_name_criterion_and_layer(network: Network) -> None:
    bad = Criterion(lambda weight: weight[:, 0] / 0, name="bad")
    with pytest.raises(CellError, match="criterion 'bad' on layer '0' gives 36 scores that are not finite"):
        scores(bad, network)
