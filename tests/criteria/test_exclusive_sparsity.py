"""Exclusive sparsity by hand; its definition in loops and its gradients are in `test_blocks`."""

import pytest
import torch

from prunebench.criteria.exclusive_sparsity import exclusive_sparsity


def test_the_gradient_by_hand() -> None:
    weight = torch.tensor([[[1.0, -2.0]], [[0.0, 4.0]]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(exclusive_sparsity(weight), weight)
    assert gradient.flatten().tolist() == [14, -14, 0, 14]  # 2 ||W||_1 sign(w), one input
    (gradient,) = torch.autograd.grad(exclusive_sparsity(weight, alignment="neuron-wise"), weight)
    assert gradient.flatten().tolist() == [6, -6, 0, 8]
    (gradient,) = torch.autograd.grad(exclusive_sparsity(weight, form="square-rooted"), weight)
    assert gradient.flatten().tolist() == pytest.approx([0.6, -0.6, 0, 0.8])  # block / (3^2 + 4^2)^(1/2) sign(w)
