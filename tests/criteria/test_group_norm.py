"""Group norm over coupled units: by hand, and finite differences with the factors held."""

import pytest
import torch
import torch_pruning as tp
from torch import nn

from prunebench.criteria.group_norm import CRITERION, GroupNorm, shrinkage
from prunebench.errors import UserError
from prunebench.scoring.score import score
from prunebench.testing import toys


def test_the_factors() -> None:
    importance = torch.tensor([4.0, 0.0, 2.0, 3.0], dtype=torch.float64)
    assert shrinkage(importance, 2.0).tolist() == pytest.approx([1, 4, 2, 2**0.5])
    assert shrinkage(torch.full((3,), 7.0), 4.0).tolist() == [1, 1, 1]
    assert shrinkage(importance, 0.0).tolist() == [1, 1, 1, 1]


def test_the_term_counts_writers_batchnorms_and_readers() -> None:
    network = toys.residual()
    get = {name: p.detach() for name, p in network.model.named_parameters()}
    units = []
    for unit in range(5):
        out = sum(float(get[f"{name}.weight"][unit].square().sum()) for name in ("stem", "bn1", "conv", "bn2"))
        units.append(out + sum(float(get[f"{name}.weight"][:, unit].square().sum()) for name in ("conv", "linear")))
    low, high = min(units), max(units)
    factors = [2 ** (3 * (high - value) / (high - low)) for value in units]

    def term(rule: GroupNorm) -> float:
        return float(rule.attach(network, torch.Generator()).penalty().detach())

    squared = sum(f * value for f, value in zip(factors, units, strict=True))
    assert term(GroupNorm(0.1, alpha=3.0)) == pytest.approx(0.1 * squared)
    lasso = sum(f * value**0.5 for f, value in zip(factors, units, strict=True))
    assert term(GroupNorm(0.1, alpha=3.0, lasso=True)) == pytest.approx(0.1 * lasso)


@pytest.mark.parametrize("lasso", [False, True])
def test_the_gradient_is_that_of_constant_factors(lasso: bool) -> None:
    network = toys.residual()
    weight = network.layer("conv").get_parameter("weight")
    rule = GroupNorm(1.0, lasso=lasso)
    (gradient,) = torch.autograd.grad(rule.attach(network, torch.Generator()).penalty(), weight)
    pieces = {name: p.detach() for name, p in network.model.named_parameters() if name.endswith("weight")}

    def importances() -> torch.Tensor:
        outs = [pieces[f"{n}.weight"].reshape(5, -1).square().sum(1) for n in ("stem", "bn1", "conv", "bn2")]
        ins = [pieces[f"{n}.weight"].transpose(0, 1).reshape(5, -1).square().sum(1) for n in ("conv", "linear")]
        return torch.stack(outs + ins).sum(0)

    factors = shrinkage(importances(), 4.0)

    def value() -> float:
        return float((factors * (importances().sqrt() if lasso else importances())).sum())

    for place in ((0, 1, 1, 1), (3, 3, 0, 2), (4, 2, 2, 0)):
        before = float(weight[place].detach())
        with torch.no_grad():
            weight[place] = before + 1e-6
            up = value()
            weight[place] = before - 1e-6
            down = value()
            weight[place] = before
        assert float(gradient[place]) == pytest.approx((up - down) / 2e-6, rel=1e-5)


def test_weak_units_shrink_and_strong_ones_stay() -> None:
    network = toys.residual()
    rule = GroupNorm(0.02, alpha=4.0)
    attached = rule.attach(network, torch.Generator())
    optimiser = torch.optim.SGD(network.model.parameters(), lr=0.1)
    before = score(CRITERION, network, [], torch.Generator())["stem"]
    for _ in range(100):
        optimiser.zero_grad()
        attached.penalty().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    left = score(CRITERION, network, [], torch.Generator())["stem"] / before
    assert left.max() > 0.25
    assert left.min() < 1e-4


@pytest.mark.parametrize("toy", ["chain", "residual", "depthwise"])
def test_the_score_is_torch_prunings_over_everything_that_goes(toy: str) -> None:
    network = toys.TOYS[toy]()
    scores = score(CRITERION, network, [], torch.Generator())
    graph = tp.DependencyGraph().build_dependency(network.model, toys.batches()[0][0])
    importance = tp.importance.GroupMagnitudeImportance(p=2, group_reduction="sum", normalizer=None)
    for group in network.table.groups:
        layer = network.layer(group.producers[0])
        remove = {nn.Conv2d: tp.prune_conv_out_channels, nn.Linear: tp.prune_linear_out_channels}[type(layer)]
        forgotten = network.layer("3").get_parameter("weight").square().sum((1, 2, 3)) if toy == "depthwise" else 0
        theirs = importance(graph.get_pruning_group(layer, remove, list(range(group.units))))
        if group.name == "0":
            theirs = theirs + forgotten  # it leaves a depthwise convolution's own weights out
        torch.testing.assert_close(scores[group.name].float(), theirs.float(), rtol=1e-5, atol=0)


def test_options() -> None:
    rule = CRITERION.with_options({"alpha": "2", "lasso": "true", "strength": "1e-3"}).regulariser
    assert rule == GroupNorm(1e-3, alpha=2.0, lasso=True)
    assert score(CRITERION.with_options({"alpha": "2"}), toys.chain(), [], torch.Generator()).keys() == {"0", "2", "6"}
    with pytest.raises(UserError, match="option alpha=-1 of 'group_norm' must be at least 0"):
        CRITERION.with_options({"alpha": "-1"})
