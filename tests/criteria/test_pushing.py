"""The pushed units: how many, which, and that the terms pull at them alone."""

import math

import pytest
import torch

from prunebench.criteria._pushing import lowest, written_by
from prunebench.criteria.admm import Admm
from prunebench.criteria.growing_reg import Growing
from prunebench.pruning.removal import remove
from prunebench.testing import toys


@pytest.mark.parametrize(
    ("units", "share", "count"),
    [
        (20, 0.5, 10),
        (5, 0.5, 3),
        (5, 0.01, 1),
        (100, 0.07, 7),
        (100, 0.29, 29),
        (10, 0.91, 9),
        (2, 0.9, 1),
        (1, 0.5, 0),
    ],
)
def test_a_share_of_the_units_is_rounded_up_but_never_all(units: int, share: float, count: int) -> None:
    norms = torch.randperm(units, generator=torch.Generator().manual_seed(0)).double()
    assert sorted(norms[lowest(norms, share)].tolist()) == list(range(count))


def test_depthwise_and_coupled_layers_write_the_units_too() -> None:
    residual, depthwise = toys.residual(), toys.depthwise()
    assert [part.layer for part in written_by(residual, residual.table.groups[0])] == ["stem", "conv"]
    assert [part.layer for part in written_by(depthwise, depthwise.table.groups[0])] == ["0", "3"]


@pytest.mark.parametrize("toy", toys.TOYS)
@pytest.mark.parametrize("pruned", [False, True])
@pytest.mark.parametrize("rule", [Growing(strength=0.3, share=0.4), Admm(strength=0.3, share=0.4)])
def test_the_terms_pull_at_the_pushed_units_alone(toy: str, pruned: bool, rule: Growing | Admm) -> None:
    network = toys.TOYS[toy]()
    if pruned:
        network = remove(network, {g.name: torch.tensor([1]) for g in network.table.groups if g.units > 1})
    attached = rule.attach(network, torch.Generator())
    named = dict(network.model.named_parameters())
    gradients = torch.autograd.grad(attached.penalty(), list(named.values()), allow_unused=True)
    found = {name: g for name, g in zip(named, gradients, strict=True) if g is not None}
    expected = {}
    for group in network.table.groups:
        pushed = attached.pushed()[group.name]
        assert pushed.shape == (network.units[group.name],)
        assert int(pushed.sum()) == min(math.ceil(0.4 * len(pushed)), len(pushed) - 1)
        for layer in group.producers:
            weight = named[f"{layer}.weight"].detach()
            rows = expected.setdefault(f"{layer}.weight", torch.zeros_like(weight))
            gone = network.positions(group, layer)[pushed].flatten()
            rows[gone] = 0.3 * weight[gone]  # the gradient of strength/2 |w|^2
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name])
