"""Network slimming: which parameters it acts on, by hand; and that it says where it cannot work."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prunebench.criteria.slimming import CRITERION, BatchNormL1, slimming
from prunebench.errors import CellError, UserError
from prunebench.scoring.score import score
from prunebench.testing import toys


def test_the_term_is_the_l1_norm_of_the_gammas_alone() -> None:
    network = toys.residual()
    with torch.no_grad():
        network.layer("bn1").get_parameter("weight").copy_(torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0]))
        network.layer("bn2").get_parameter("weight").fill_(-1.0)
    term = BatchNormL1(0.1).attach(network, torch.Generator()).penalty()
    assert float(term.detach()) == pytest.approx(0.1 * (3.5 + 5))
    named = dict(network.model.named_parameters())
    gradients = torch.autograd.grad(term, list(named.values()), allow_unused=True)
    found = {name: g.tolist() for name, g in zip(named, gradients, strict=True) if g is not None}
    assert found == {"bn1.weight": pytest.approx([0.1, -0.1, 0, 0.1, 0]), "bn2.weight": pytest.approx([-0.1] * 5)}


def test_a_network_without_batchnorm_is_refused() -> None:
    with pytest.raises(CellError, match="slimming needs BatchNorm weights"):
        BatchNormL1(0.1).attach(toys.grouped(), torch.Generator())


def test_the_score_is_the_size_of_gamma() -> None:
    network = toys.chain()
    with torch.no_grad():
        network.layer("3").get_parameter("weight").copy_(torch.tensor([1.0, -2.0, 0.0, 0.5]))
    assert score(CRITERION, network, [], torch.Generator())["2"].tolist() == [1.0, 2.0, 0.0, 0.5]
    assert slimming(torch.tensor([-3.0])).item() == 3.0


# By toy and group, the BatchNorms that scale the group's units, and the first channel there.
SCALES = {
    "residual": {"stem": {"bn1": 0, "bn2": 0}},
    "dense": {"stem": {"bn1": 0, "bn2": 0, "bn3": 2}, "conv1": {"bn2": 4, "bn3": 6}, "conv2": {"bn3": 0}},
    "pre-activation": {"stem": {"bn1": 0, "bn3": 0}, "conv": {"bn2": 0}},
}


@pytest.mark.parametrize("toy", ["dense", "pre-activation"])
@torch.no_grad()
def test_a_threshold_on_every_gamma_leaves_the_units_that_score_more(toy: str) -> None:
    """The authors set gamma and beta to zero where |gamma| is not above the threshold (`denseprune.py`)."""
    scores = score(CRITERION, toys.TOYS[toy](), [], torch.Generator())
    thresholds = torch.cat(list(scores.values())).tolist()
    thresholds += [0.9 * min(thresholds), 1.1 * max(thresholds)]
    pictures = toys.batches()[0][0]
    for threshold in thresholds:
        network = toys.TOYS[toy]()
        norms: list[Any] = [module for module in network.model.eval().modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            mask = norm.weight.abs().gt(threshold).double()
            norm.weight.mul_(mask)
            norm.bias.mul_(mask)
        whole = _inputs(network.model, pictures)
        for group in network.table.groups:
            for unit in range(group.units):
                layers = [network.layer(name) for name in group.producers]
                handles = [layer.register_forward_hook(partial(_noisy, unit)) for layer in layers]
                gone = torch.equal(_inputs(network.model, pictures), whole)  # nobody sees what the unit writes
                for handle in handles:
                    handle.remove()
                assert gone == bool(scores[group.name][unit] <= threshold), (group.name, unit, threshold)


def _noisy(unit: int, layer: nn.Module, given: Any, output: Tensor) -> Tensor:
    noise = torch.randn(output[:, 0].shape, generator=torch.Generator().manual_seed(unit), dtype=output.dtype)
    return output.index_add(1, torch.tensor([unit]), 10 * noise[:, None])


def _inputs(model: nn.Module, pictures: Tensor) -> Tensor:
    """Give all that convolutions and linear layers read in a forward pass."""
    seen: list[Tensor] = []
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_pre_hook(lambda _, given: seen.append(given[0].flatten())) for layer in layers]
    model(pictures)
    for handle in handles:
        handle.remove()
    return torch.cat(seen)


@pytest.mark.parametrize("toy", SCALES)
def test_coupled_layers_and_readers_of_a_unit_have_one_score(toy: str) -> None:
    network = toys.TOYS[toy]()
    scores = score(CRITERION, network, [], torch.Generator())
    for group, places in SCALES[toy].items():
        units = network.units[group]
        gammas = [network.layer(n).get_parameter("weight").detach().abs()[at : at + units] for n, at in places.items()]
        stacked = torch.stack(gammas)
        wanted = stacked.mean(0) if toy == "residual" else stacked.amax(0)  # own BatchNorms, or those that read
        torch.testing.assert_close(scores[group], wanted)


def test_where_no_batchnorm_follows_or_reads_all_units_score_one() -> None:
    assert score(CRITERION, toys.chain(), [], torch.Generator())["0"].eq(1).all()


def test_its_strength_is_an_option() -> None:
    rule = CRITERION.with_options({"strength": "1e-4"}).regulariser
    assert rule == BatchNormL1(1e-4)
    with pytest.raises(UserError, match="must be zero or a positive number"):
        CRITERION.with_options({"strength": "-1"})
