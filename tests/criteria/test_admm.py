"""ADMM against NumPy on a quadratic loss, projections tried out one by one, and a real training."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

from prunebench.criteria.admm import CRITERION, Admm, projection
from prunebench.errors import UserError
from prunebench.plugins.expressions import parse_method
from prunebench.plugins.registry import load_registry
from prunebench.plugins.regulariser import keeps_rate
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.scoring.score import score
from prunebench.testing import toys


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_the_projection_is_the_nearest_of_all_choices(share: float) -> None:
    weights = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = projection(weights, share)
    distances = []
    count = math.ceil(share * 6)
    for gone in combinations(range(6), count):
        other = weights.clone()
        other[list(gone)] = 0
        distances.append(float((weights - other).norm()))
    assert float((weights - found).norm()) == pytest.approx(min(distances), rel=1e-12)
    assert int((found == 0).all(dim=1).sum()) == count


def test_the_iteration_is_that_of_numpy_on_a_quadratic_loss() -> None:
    network = toys.residual()
    stem, conv = (network.layer(name).get_parameter("weight") for name in ("stem", "conv"))
    goal = torch.randn(5, 9 + 45, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    attached = Admm(strength=0.7, every=3, share=0.4).attach(network, torch.Generator())
    w = torch.cat([stem.flatten(1), conv.flatten(1)], dim=1).detach().numpy().copy()

    def project(v: NDArray[np.float64]) -> NDArray[np.float64]:
        lowest = np.argsort((v**2).sum(axis=1))[:2]
        return np.where(np.isin(np.arange(5), lowest)[:, None], 0, v)

    z, u = project(w), np.zeros_like(w)
    for step in range(40):
        if step and step % 3 == 0:
            z = project(w + u)
            u = u + w - z
        attached.draw()
        term = attached.penalty()
        assert float(term.detach()) == pytest.approx(0.35 * ((w - z + u) ** 2).sum(), rel=1e-12)
        loss = (
            0.5 * (stem.flatten(1) - goal[:, :9]).square().sum() + 0.5 * (conv.flatten(1) - goal[:, 9:]).square().sum()
        )
        gradients = torch.autograd.grad(loss + term, [stem, conv])
        with torch.no_grad():
            stem.sub_(0.1 * gradients[0])
            conv.sub_(0.1 * gradients[1])
        w = w - 0.1 * (w - goal.numpy() + 0.7 * (w - z + u))
    mine = torch.cat([stem.flatten(1), conv.flatten(1)], dim=1).detach()
    torch.testing.assert_close(mine, torch.from_numpy(w), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(attached.u[0], torch.from_numpy(u), rtol=1e-10, atol=1e-12)
    assert not np.allclose(u, 0)


def test_the_nearest_sparse_point_of_a_quadratic_loss_is_reached() -> None:
    network = toys.residual()
    weights = [network.layer(name).get_parameter("weight") for name in ("stem", "conv")]
    goals = [torch.randn(w.shape, generator=torch.Generator().manual_seed(2), dtype=w.dtype) for w in weights]
    for goal in goals:
        goal[[1, 3]] *= 0.3
    with torch.no_grad():
        for weight, goal in zip(weights, goals, strict=True):
            weight.copy_(goal)
    attached = Admm(strength=1.0, every=20, share=0.4).attach(network, torch.Generator())
    for _ in range(1000):
        attached.draw()
        loss = torch.stack([0.5 * (w - g).square().sum() for w, g in zip(weights, goals, strict=True)]).sum()
        for weight, slope in zip(weights, torch.autograd.grad(loss + attached.penalty(), weights), strict=True):
            with torch.no_grad():
                weight.sub_(0.2 * slope)
    for weight, goal in zip(weights, goals, strict=True):
        goal[[1, 3]] = 0
        torch.testing.assert_close(weight.detach(), goal, rtol=0, atol=1e-6)


def test_the_pushed_units_are_those_that_are_zero_in_z() -> None:
    network = toys.chain()
    attached = Admm(strength=1.0, every=1, share=0.3).attach(network, torch.Generator())
    attached.draw()
    with torch.no_grad():
        network.layer("2").get_parameter("weight")[2] *= 1e-3
    for _ in range(2):
        attached.draw()
        found = attached.pushed()
        zero = [(z == 0).all(dim=1) for z in attached.z]
        assert all(torch.equal(a, b) for a, b in zip(found.values(), zero, strict=True))
        assert {name: int(chosen.sum()) for name, chosen in found.items()} == {"0": 2, "2": 2, "6": 3}  # 1.8, 1.2, 2.4
    assert found["2"][2]
    assert keeps_rate(attached.rule)


def test_the_score_is_the_joint_norm() -> None:
    network = toys.residual()
    layers = [network.layer(name).get_parameter("weight").detach() for name in ("stem", "conv")]
    squares = torch.stack([weight.flatten(1).square().sum(1) for weight in layers]).sum(0)
    torch.testing.assert_close(score(CRITERION, network, [], torch.Generator())["stem"], squares.sqrt())


def outside(network: Network) -> float:
    """Squared norm of the half of each group's units that weighs least, as a share of the whole."""
    weights = [network.layer(group.name).get_parameter("weight").detach().flatten(1) for group in network.table.groups]
    least = sum(float(w.square().sum(1).sort().values[: len(w) // 2].sum()) for w in weights)
    return least / sum(float(w.square().sum()) for w in weights)


def trained_on_digits(strength: float) -> tuple[float, float, float, list[float]]:
    """Train a small network; gives accuracy, the share of least weights before and after, and ||W - Z|| over time."""
    data = load_digits()
    pictures, labels = torch.from_numpy(data.images).float().div(16).unsqueeze(1), torch.from_numpy(data.target)
    torch.manual_seed(0)
    parts = (nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    network = Network.dense(nn.Sequential(*parts), analyse(nn.Sequential(*parts), pictures[:1]))
    attached = Admm(strength=strength, every=10).attach(network, torch.Generator())
    optimiser = torch.optim.SGD(network.model.parameters(), lr=0.03, momentum=0.9, nesterov=True)
    before, order, residuals = outside(network), torch.Generator().manual_seed(0), list[float]()
    for step in range(200):
        chosen = torch.randint(len(pictures), (64,), generator=order)
        attached.draw()
        loss = F.cross_entropy(network.model(pictures[chosen]), labels[chosen]) + attached.penalty()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 10 == 9:
            apart = [network.layer(g.name).get_parameter("weight").flatten(1) for g in network.table.groups]
            residuals.append(sum(float((w - z).detach().norm()) for w, z in zip(apart, attached.z, strict=True)))
    right = network.model(pictures).argmax(1) == labels
    return float(right.float().mean()), before, outside(network), residuals


def test_a_real_training_comes_near_its_projection() -> None:
    plain, _, untouched, _ = trained_on_digits(0.0)
    accuracy, before, after, residuals = trained_on_digits(0.1)
    assert after < 0.05 * untouched < 0.05 * before
    assert residuals[-1] < 0.4 * residuals[0]
    assert accuracy > plain - 0.02


def test_options_and_what_is_refused() -> None:
    rule = CRITERION.with_options({"every": "5", "share": "0.25", "strength": "1e-3"}).regulariser
    assert rule == Admm(1e-3, every=5, share=0.25)
    for options in ({"every": "0"}, {"share": "1"}, {"share": "0"}):
        with pytest.raises(UserError, match=r"option (every|share)=. of 'admm' must be (at least|less|more)"):
            CRITERION.with_options(options)
    with pytest.raises(UserError, match="a regulariser's strength must be zero or a positive number"):
        CRITERION.with_options({"strength": "-1"})
    assert parse_method("admm+obd", load_registry(())).before == CRITERION.regulariser
