"""HSQGL12 and its gradient by hand; its definition in loops is in `test_blocks`."""

import pytest
import torch

from prunebench.criteria.hsqgl12 import CRITERION, hierarchical_squared_group_l12, hsqgl12
from prunebench.plugins.regulariser import Penalty


def test_its_groups_are_inputs_not_outputs() -> None:
    column, row = torch.tensor([[[4.0]], [[9.0]]]), torch.tensor([[[4.0], [9.0]]])
    assert float(hierarchical_squared_group_l12(column, mix=1.0, eps=0.0)) == 25.0  # one input: (2 + 3)^2
    assert float(hierarchical_squared_group_l12(row, mix=1.0, eps=0.0)) == 13.0  # two inputs: 2^2 + 3^2


def test_its_gradient() -> None:
    weight = torch.tensor([[[4.0]], [[-9.0]], [[0.0]]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(hierarchical_squared_group_l12(weight, mix=1.0), weight)
    # 2 S / (2 sqrt b) sign(w) with S = 5: 5/2, -5/3, and 0 where w is 0 (without epsilon it would be NaN)
    assert gradient.flatten().tolist() == pytest.approx([2.5, -5 / 3, 0.0], rel=1e-3)


def test_score_strength_and_options() -> None:
    assert hsqgl12(torch.tensor([[3.0, 4.0]])).item() == 5.0
    changed = CRITERION.with_options({"mix": "1", "strength": "1e-5"})
    assert isinstance(changed.regulariser, Penalty)
    assert (changed.regulariser.strength, dict(changed.regulariser.options)) == (1e-5, {"mix": 1.0})
    assert not changed.regulariser.linear
