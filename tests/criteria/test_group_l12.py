"""Group L1/2 by hand; its definition in loops and its gradients are in `test_blocks`."""

import pytest
import torch

from prunebench.criteria.group_l12 import group_l12


def test_the_gradient_by_hand() -> None:
    weight = torch.tensor([[[1.0, -3.0]], [[0.0, 12.0]]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(group_l12(weight), weight)
    assert gradient.flatten().tolist() == pytest.approx([1 / 8, -1 / 8, 0, 1 / 8])  # sign(w) / (2 16^(1/2)), one input
    (gradient,) = torch.autograd.grad(group_l12(weight, alignment="neuron-wise"), weight)
    assert gradient.flatten().tolist() == pytest.approx([1 / 4, -1 / 4, 0, 1 / (2 * 12**0.5)])
