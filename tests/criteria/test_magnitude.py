import numpy as np
import pytest
import torch

from prunebench.criteria.magnitude import CRITERION, magnitude


@pytest.mark.parametrize("p", [1.0, 2.0, float("inf")])
def test_it_is_numpys_norm(p: float) -> None:
    weight = torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.testing.assert_allclose(magnitude(weight, p=p).numpy(), np.linalg.norm(weight.numpy(), ord=p, axis=1))


def test_the_order_of_the_norm_is_an_option() -> None:
    weight = {"weight": torch.tensor([[3.0, -4.0]])}
    assert CRITERION(weight).item() == 5.0
    l1 = CRITERION.with_options({"p": "1"})
    assert (l1(weight).item(), l1.label) == (7.0, "magnitude:p=1")
