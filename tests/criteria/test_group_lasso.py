"""Group lasso by hand; its definition in loops and its gradients are in `test_blocks`."""

import pytest
import torch

from prunebench.criteria.group_lasso import group_lasso


def test_the_gradient_by_hand() -> None:
    weight = torch.tensor([[[3.0, -4.0]], [[0.0, 12.0]]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(group_lasso(weight), weight)
    assert gradient.flatten().tolist() == pytest.approx([3 / 13, -4 / 13, 0, 12 / 13])  # W / ||W||, one input
    (gradient,) = torch.autograd.grad(group_lasso(weight, alignment="neuron-wise"), weight)
    assert gradient.flatten().tolist() == pytest.approx([0.6, -0.8, 0, 1])
    (gradient,) = torch.autograd.grad(group_lasso(weight, form="squared"), weight)
    assert gradient.flatten().tolist() == pytest.approx([34 * 0.6, -34 * 0.8, 0, 34])  # 2 (5 + 12) W / ||block||
