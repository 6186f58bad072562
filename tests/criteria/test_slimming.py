"""Network slimming: which parameters it acts on, by hand; and that it says where it cannot work."""

import pytest
import torch

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


def test_its_strength_is_an_option() -> None:
    rule = CRITERION.with_options({"strength": "1e-4"}).regulariser
    assert rule == BatchNormL1(1e-4)
    with pytest.raises(UserError, match="must be zero or a positive number"):
        CRITERION.with_options({"strength": "-1"})
