"""Tests of `spread`: the contract suite, a score worked by hand, and the entry point."""

from collections.abc import Callable

import pytest
import torch
from prunebench_spread.spread import CRITERION, spread

from prunebench.plugins.registry import Registry, get_criterion
from prunebench.testing import checks


@pytest.mark.parametrize("check", [pytest.param(check, id=name) for name, check in checks(CRITERION)])
def test_contract(check: Callable[[], None]) -> None:
    """Run one check of `prunebench check spread`."""
    check()


def test_the_score_worked_by_hand() -> None:
    """1, 1, 3, 3 have mean 2 and variance 1; 0, 0, 0, 4 have mean 1 and variance (1 + 1 + 1 + 9) / 4 = 3."""
    weight = torch.tensor([[1.0, 1.0, 3.0, 3.0], [0.0, 0.0, 0.0, 4.0], [5.0, 5.0, 5.0, 5.0]])
    torch.testing.assert_close(spread(weight), torch.tensor([1.0, 3.0**0.5, 0.0]))
    torch.testing.assert_close(spread(weight, power=2.0), torch.tensor([1.0, 3.0, 0.0]))


def test_the_entry_point_is_found() -> None:
    """Needs the installed package."""
    found = Registry()
    assert found.criteria["spread"].origin == "entry point prunebench-spread 0.1.0 (prunebench_spread.spread)"
    assert found.criteria["spread"].plugin is CRITERION
    assert get_criterion("spread:power=2", found).label == "spread:power=2"
