"""LASSO against scikit-learn's coordinate descent, on contributions laid out one by one, in float64."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Lasso
from torch import Tensor, nn

from prunebench.criteria.lasso import CRITERION, entries, reading_norms
from prunebench.errors import UserError
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.scoring.score import score
from prunebench.testing import toys


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def support(x: Tensor, norms: Tensor, strength: float) -> set[int]:
    """Tell which betas are not zero at a lambda, by coordinate descent on eq. 3 as it is written."""
    solver = Lasso(alpha=strength, fit_intercept=False, tol=1e-12, max_iter=100_000)
    beta: NDArray[np.float64] = solver.fit((x / norms).numpy(), x.sum(dim=1).numpy()).coef_
    return set(np.flatnonzero(beta).tolist())


def published(x: Tensor, norms: Tensor, wanted: int) -> set[int]:
    """Raise lambda in small steps from almost nothing until no more units than wanted are left, as the paper does."""
    top = float(((x / norms).T @ x.sum(dim=1)).abs().max()) / len(x)
    for strength in np.geomspace(1e-6 * top, top, 1500):
        left = support(x, norms, strength)
        if len(left) <= wanted:
            return left
    raise AssertionError("nothing was left out")


@pytest.mark.parametrize("seed", range(3))
def test_every_budget_keeps_the_units_that_the_paper_keeps(seed: int) -> None:
    x = torch.randn(60, 6, generator=draws(seed), dtype=torch.float64) + 0.3
    norms = torch.rand(6, generator=draws(seed + 10), dtype=torch.float64) + 0.5
    best = entries(x.T @ x, norms, len(x)).argsort(descending=True).tolist()
    for wanted in range(1, 6):
        assert published(x, norms, wanted) == set(best[:wanted])


def test_a_score_is_the_lambda_where_its_unit_enters() -> None:
    x = torch.randn(60, 8, generator=draws(), dtype=torch.float64)
    norms = torch.linspace(0.5, 2, 8, dtype=torch.float64)
    for unit, strength in enumerate(entries(x.T @ x, norms, len(x)).tolist()):
        assert unit in support(x, norms, strength * 0.999)
        assert unit not in support(x, norms, strength * 1.001)


def test_an_orthogonal_design_by_hand() -> None:
    x = torch.zeros(6, 3, dtype=torch.float64)
    x[0, 0], x[1, 0], x[2, 1], x[3, 2] = 3, 4, 2, 6  # sums of squares 25, 4, 36
    norms = torch.tensor([5.0, 0.5, 9.0], dtype=torch.float64)
    assert entries(x.T @ x, norms, 6).tolist() == pytest.approx([25 / 5 / 6, 4 / 0.5 / 6, 36 / 9 / 6])
    assert entries(1e-12 * x.T @ x, norms, 6).tolist() == pytest.approx([5e-12 / 6, 8e-12 / 6, 4e-12 / 6])


def test_units_that_say_nothing_and_one_of_two_that_say_the_same_share_the_last_place() -> None:
    x = torch.randn(40, 5, generator=draws(), dtype=torch.float64)
    x[:, 1], x[:, 4] = 0, x[:, 2]
    scores = entries(x.T @ x, torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0]), len(x))
    assert (scores == 0).nonzero().flatten().tolist() in ([1, 2], [1, 4])
    assert entries(torch.zeros(3, 3), torch.zeros(3), 10).tolist() == [0, 0, 0]
    few = torch.randn(3, 6, generator=draws(), dtype=torch.float64)  # no more units enter than there are instances
    assert int((entries(few.T @ few, torch.ones(6), 3) > 0).sum()) == 3


def test_a_unit_that_comes_back_counts_from_where_it_came_first() -> None:
    one = draws(13)
    x = torch.randn(30, 5, generator=one, dtype=torch.float64) @ torch.randn(5, 5, generator=one, dtype=torch.float64)
    norms = torch.ones(5, dtype=torch.float64)
    there = [4 in support(x, norms, strength) for strength in (7.0, 6.5, 2.0, 0.3)]
    assert there == [False, True, True, False]
    scores = entries(x.T @ x, norms, 30)
    assert int(scores.argmax()) == 4
    assert float(scores[4]) == pytest.approx(6.7003998, rel=1e-6)
    later = float(scores[2])  # enters while the other is away, which changes where
    assert [2 in support(x, norms, factor * later) for factor in (0.99, 1.01)] == [True, False]
    assert [4 in support(x, norms, factor * later) for factor in (0.99, 1.01)] == [False, False]


@pytest.mark.parametrize(("group", "readers"), [("0", ["2"]), ("2", ["6"]), ("stem", ["conv", "linear"])])
@torch.no_grad()
def test_the_norm_is_that_of_all_weights_that_read_a_unit(group: str, readers: list[str]) -> None:
    network = toys.residual() if group == "stem" else toys.chain()
    table = network.table.group(group)
    for unit, norm in enumerate(reading_norms(network, table).tolist()):
        weights = [
            network.layer(name).get_parameter("weight")[:, network.positions(table, name, "in")[unit]].flatten()
            for name in readers
        ]
        assert norm == pytest.approx(float(torch.cat(weights).norm()))


def laid_out(network: Network, reader: str, index: Tensor) -> Tensor:
    """What each unit adds to every element of a reader's outputs: (pictures x elements, units)."""
    kept: list[Tensor] = []
    layer = network.layer(reader)
    handle = layer.register_forward_pre_hook(lambda _, given: kept.append(given[0].clone()))
    network.model.eval()
    for pictures, _ in toys.batches():
        network.model(pictures)
    handle.remove()
    inputs, columns = torch.cat(kept), []
    for unit in index:
        without = inputs.clone()
        without[:, unit] = 0
        columns.append((layer(inputs) - layer(without)).flatten())
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize(("group", "reader"), [("0", "2"), ("2", "6")])
@torch.no_grad()
def test_with_many_instances_the_scores_are_those_of_all_outputs(group: str, reader: str) -> None:
    network = toys.chain()
    table = network.table.group(group)
    x, norms = laid_out(network, reader, network.positions(table, reader, "in")), reading_norms(network, table)
    scores = score(CRITERION.with_options({"locations": "3000"}), network, toys.batches(), draws())[group]
    torch.testing.assert_close(scores, entries(x.T @ x, norms, len(x)), rtol=0.1, atol=0.02 * float(scores.max()))
    assert int(scores.argmax()) in support(x, norms, 0.95 * float(scores.max()))


def test_a_dead_unit_goes_first_also_in_a_pruned_network() -> None:
    network = remove(toys.chain(), {"0": torch.tensor([2])})
    layer = network.layer("0")
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    with torch.no_grad():
        layer.weight[3], layer.bias[3] = 0, -1  # its ReLU gives nothing
    scores = score(CRITERION, network, toys.batches(), draws())["0"]
    assert scores.shape == (5,)
    assert scores[3] == 0
    assert int((scores > 0).sum()) >= 3


def test_locations_are_an_option() -> None:
    assert CRITERION.with_options({"locations": "3"}).label == "lasso:locations=3"
    with pytest.raises(UserError, match="option locations=0 of 'lasso' must be at least 1"):
        CRITERION.with_options({"locations": "0"})


def test_it_runs_where_scikit_learn_was_not_loaded_yet() -> None:
    text = """
import torch
from prunebench.testing import toys
from prunebench.criteria.lasso import CRITERION
from prunebench.scoring.score import score
print(len(score(CRITERION, toys.chain(), toys.batches(), torch.Generator())))
"""
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=300)
    assert found.stdout == "3\n", found.stderr


def test_the_scale_of_the_outputs_is_that_of_the_scores() -> None:
    x = torch.randn(40, 6, generator=draws(), dtype=torch.float64)
    gram, norms = x.T @ x, torch.rand(6, generator=draws(), dtype=torch.float64) + 0.5
    torch.testing.assert_close(entries(1e-20 * gram, norms, 40), 1e-20 * entries(gram, norms, 40), rtol=1e-6, atol=0)


def test_a_path_of_more_steps_than_units_is_followed_to_its_end() -> None:
    given = draws(216)  # units enter and leave: eight steps for six of them, and one enters after the sixth
    x = torch.randn(12, 6, generator=given, dtype=torch.float64)
    x += 2 * torch.randn(12, 1, generator=given, dtype=torch.float64)
    assert (entries(x.T @ x, torch.rand(6, generator=given, dtype=torch.float64) + 0.2, 12) > 0).all()
