import numpy as np
import torch

from prunebench.criteria.l1 import CRITERION, l1, l1_norm
from prunebench.testing import toys


def test_score_and_penalty_are_the_l1_norm() -> None:
    weight = torch.randn(4, 3, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.testing.assert_allclose(l1(weight.flatten(1)).numpy(), np.abs(weight.numpy()).sum((1, 2)))
    np.testing.assert_allclose(l1_norm(weight).item(), np.abs(weight.numpy()).sum())


def test_the_gradient_is_the_sign() -> None:
    weight = torch.tensor([[[0.0, -2.0, 3.0]]], requires_grad=True)
    (gradient,) = torch.autograd.grad(l1_norm(weight), weight)
    assert gradient.tolist() == [[[0.0, -1.0, 1.0]]]


def test_training_with_it_makes_weights_small() -> None:
    network = toys.chain()
    assert CRITERION.regulariser is not None
    attached = CRITERION.with_options({"strength": "1"}).regulariser.attach(network, torch.Generator())  # type: ignore[union-attr]
    before = float(attached.penalty().detach())
    optimiser = torch.optim.SGD(network.model.parameters(), lr=1e-3)
    for _ in range(10):
        optimiser.zero_grad()
        attached.penalty().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    weights = 6 * 9 + 4 * 24
    assert before - float(attached.penalty().detach()) <= 10 * 1e-3 * weights + 1e-9
    assert float(attached.penalty().detach()) < before - 0.9 * 10 * 1e-3 * weights
