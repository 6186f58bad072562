"""The L2 norm of a layer: by hand, finite differences, and that it is not weight decay."""

import pytest
import torch

from prunebench.criteria.l2 import CRITERION, l2
from prunebench.testing import toys


def test_value_and_gradient() -> None:
    weight = torch.tensor([[[3.0]], [[-4.0]]], dtype=torch.float64, requires_grad=True)
    assert float(l2(weight).detach()) == pytest.approx(5.0)
    (gradient,) = torch.autograd.grad(l2(weight), weight)
    assert gradient.flatten().tolist() == pytest.approx([0.6, -0.8])
    assert torch.autograd.gradcheck(l2, (weight,), eps=1e-7)
    zero = torch.zeros(2, 3, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(l2(zero), zero)
    assert not gradient.any()


def test_the_norm_is_per_layer_and_not_squared() -> None:
    network = toys.chain()
    norms = [float(network.layer(name).get_parameter("weight").detach().norm()) for name in ("0", "2")]
    assert CRITERION.regulariser is not None
    term = CRITERION.regulariser.attach(network, torch.Generator()).penalty()
    assert float(term.detach()) == pytest.approx(CRITERION.regulariser.strength * sum(norms))
