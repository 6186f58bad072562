import numpy as np
import torch

from prunebench.criteria.l1 import l1, l1_norm


def test_score_and_penalty_are_the_l1_norm() -> None:
    weight = torch.randn(4, 3, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.testing.assert_allclose(l1(weight.flatten(1)).numpy(), np.abs(weight.numpy()).sum((1, 2)))
    np.testing.assert_allclose(l1_norm(weight).item(), np.abs(weight.numpy()).sum())


def test_the_gradient_is_the_sign() -> None:
    weight = torch.tensor([[[0.0, -2.0, 3.0]]], requires_grad=True)
    (gradient,) = torch.autograd.grad(l1_norm(weight), weight)
    assert gradient.tolist() == [[[0.0, -1.0, 1.0]]]
