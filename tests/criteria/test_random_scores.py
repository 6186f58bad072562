import torch
from scipy.stats import kstest

from prunebench.criteria.random_scores import CRITERION, random
from prunebench.scoring.score import score
from prunebench.testing import toys


def test_draws_are_uniform() -> None:
    draws = random(torch.zeros(5000, 1, dtype=torch.float64), torch.Generator().manual_seed(0))
    assert kstest(draws.numpy(), "uniform").pvalue > 0.01


def test_a_coupled_group_has_one_draw() -> None:
    draws = score(CRITERION, toys.residual(), [], torch.Generator().manual_seed(0))["stem"]
    expected = torch.rand(5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(draws, expected)
