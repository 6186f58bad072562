import pytest
import torch
from torch import Tensor

from prunebench.repair.solving import Sums, fitted_change, ridge_solution


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def sums_of(inputs: Tensor, errors: Tensor, parts: int = 1) -> Sums:
    found = Sums.zeros(*inputs.shape[1:3], errors.shape[2], inputs.device)
    for x, e in zip(inputs.chunk(parts), errors.chunk(parts), strict=True):
        found.add(x, e)
    return found


@pytest.mark.parametrize("intercept", [False, True])
def test_errors_that_are_linear_in_the_inputs_are_found(intercept: bool) -> None:
    x, change, bias = drawn(20, 3, 4, 5) + 1, drawn(3, 2, 4), drawn(3, 2)
    e = torch.einsum("guf,ngfp->ngup", change, x) + (bias[..., None] if intercept else 0)
    weight, offset = fitted_change(sums_of(x, e), 1e-13, intercept)
    torch.testing.assert_close(weight, change)
    torch.testing.assert_close(offset, bias if intercept else torch.zeros_like(bias))


@pytest.mark.parametrize("intercept", [False, True])
def test_more_inputs_than_samples(intercept: bool) -> None:
    x, e = drawn(6, 1, 9, 1), drawn(6, 1, 2, 1)
    weight, offset = fitted_change(sums_of(x, e), 1e-9, intercept)
    found = torch.einsum("guf,ngfp->ngup", weight, x) + offset[..., None]
    torch.testing.assert_close(found, e, rtol=1e-6, atol=1e-6)
    centred = x[:, 0, :, 0] - intercept * x[:, 0, :, 0].mean(0)
    least = torch.linalg.pinv(centred) @ (e[:, 0, :, 0] - intercept * e[:, 0, :, 0].mean(0))
    torch.testing.assert_close(weight[0].T, least, rtol=1e-4, atol=1e-5)


def test_sums_do_not_depend_on_batches_or_precision() -> None:
    x, e = drawn(12, 2, 3, 4), drawn(12, 2, 5, 4)
    one, other = sums_of(x, e), sums_of(x.float(), e.float(), 5)
    assert one.count == other.count == 48
    for name in ("inputs", "errors", "gram", "cross"):
        assert getattr(other, name).dtype == torch.float64
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("intercept", [False, True])
def test_inputs_that_never_vary_change_no_weight(intercept: bool) -> None:
    x, e = torch.zeros(4, 1, 2, 1), drawn(4, 1, 3, 1)
    weight, offset = fitted_change(sums_of(x, e), 1e-3, intercept)
    assert not weight.any()
    torch.testing.assert_close(offset[0], intercept * e.mean(0)[0, :, 0])


def test_a_large_ridge_changes_almost_nothing() -> None:
    x, e = drawn(9, 1, 3, 1), drawn(9, 1, 2, 1)
    assert fitted_change(sums_of(x, e), 1e9, False)[0].abs().max() < 1e-8


def test_the_ridge_is_relative() -> None:
    a = drawn(7, 4)
    gram, cross = a.T @ a, drawn(4, 2)
    torch.testing.assert_close(ridge_solution(100 * gram, 100 * cross, 0.1), ridge_solution(gram, cross, 0.1))


@pytest.mark.parametrize("value", [0.1, 0.3, 1.7])
def test_inputs_that_never_vary_move_the_bias_alone(value: float) -> None:
    x, e = torch.full((50, 1, 9, 3), value, dtype=torch.float64), drawn(50, 1, 2, 3) + 4
    weight, offset = fitted_change(sums_of(x, e, parts=5), 0.01, intercept=True)
    assert weight.abs().max() < 1e-3
    after = e - (weight @ x + offset[..., None])
    torch.testing.assert_close(after.mean((0, 3)), torch.zeros(1, 2, dtype=torch.float64))
    assert after.square().sum() <= e.square().sum()
