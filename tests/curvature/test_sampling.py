"""Random vectors: a root of the logits' Gauss-Newton matrix, and draws that are right on average."""

import pytest
import torch
from torch import Tensor

from prunebench.curvature.sampling import draw, times_root


def matrix(p: Tensor) -> Tensor:
    return torch.diag_embed(p) - p[:, :, None] * p[:, None, :]


def some(sharpness: float, classes: int = 5, batch: int = 6) -> Tensor:
    draws = torch.Generator().manual_seed(0)
    return (sharpness * torch.randn(batch, classes, generator=draws, dtype=torch.float64)).softmax(dim=1)


def outer(p: Tensor, number: int, generator: torch.Generator) -> Tensor:
    pictures, vectors = draw(p, number, generator)
    return torch.zeros_like(matrix(p)).index_add(0, pictures, vectors[:, :, None] * vectors[:, None, :])


@pytest.mark.parametrize("p", [some(1), some(30), torch.eye(3, dtype=torch.float64), some(1, classes=2)])
def test_the_columns_are_a_root(p: Tensor) -> None:
    columns = [times_root(p, one.expand(len(p), -1)) for one in torch.eye(p.shape[1] - 1, dtype=p.dtype)]
    torch.testing.assert_close(sum(c[:, :, None] * c[:, None, :] for c in columns), matrix(p), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("sharpness", [0.5, 8])
@pytest.mark.parametrize("number", [1, 3, 6, 13])
def test_draws_are_unbiased(sharpness: float, number: int) -> None:
    p, draws = some(sharpness), torch.Generator().manual_seed(1)
    found = torch.stack([outer(p, number, draws) for _ in range(4000)])
    error = found.std(0) / len(found) ** 0.5
    assert ((found.mean(0) - matrix(p)).abs() <= 5 * error + 1e-5).all()  # atol: sure pictures are all but never drawn


@pytest.mark.parametrize("number", [1, 4, 9, 24])
def test_vectors_are_as_many_as_asked_and_go_where_the_curvature_is(number: int) -> None:
    p = some(3)
    pictures, vectors = draw(p, number, torch.Generator().manual_seed(0))
    assert len(pictures) == len(vectors) == number
    assert (pictures.diff() >= 0).all()
    assert pictures.bincount(minlength=6).max() <= 4


def test_all_columns_of_all_pictures_are_exact() -> None:
    p = some(2)
    torch.testing.assert_close(outer(p, 6 * 4, torch.Generator()), matrix(p), rtol=1e-12, atol=1e-14)


def test_nothing_is_drawn_where_the_network_is_certain() -> None:
    pictures, vectors = draw(torch.eye(4), 5, torch.Generator())
    assert len(pictures) == 0
    assert vectors.shape == (0, 4)


def test_a_picture_that_is_certain_in_single_precision_is_drawn_all_the_same() -> None:
    logits = torch.tensor([[20.0, 0.0, 1.0]])
    p, exact = logits.softmax(dim=1), logits.double().softmax(dim=1)
    assert float(p[0, 0]) == 1  # so that 1 - sum p^2 is zero
    generator = torch.Generator().manual_seed(0)
    draws = [draw(p, 1, generator).vectors.double().square().sum() for _ in range(400)]
    trace = torch.stack(draws).mean()
    torch.testing.assert_close(trace, (exact * (1 - exact)).sum(), rtol=0.1, atol=0)
