"""Draw random vectors at the logits. Their squared gradients, backpropagated, have the Gauss-Newton diagonal as mean.

A trained network is sure of most pictures, so the curvature comes from the few others. If every picture had the same
number of random labels, nearly all gradients would be almost zero, and the estimate would vary strongly. So a first
forward pass measures each picture's curvature, and pictures are drawn in proportion to it (Horvitz & Thompson, JASA
1952; systematic, without replacement).

Let R be a root, R R^T = diag(p) - p p^T. For a picture that is drawn k times, the columns of R are dealt out to k
vectors. Each vector is a sum of its columns with random signs (Martens, Sutskever & Swersky, ICML 2012). A picture
that is drawn as often as R has columns is exact.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Draw(NamedTuple):
    """Drawn vectors (vectors, classes), as gradients at the logits, and the numbers (vectors,) of their pictures."""

    pictures: Tensor
    vectors: Tensor


def times_root(p: Tensor, coefficients: Tensor) -> Tensor:
    """Multiply coefficients by a root of diag(p) - p p^T that has one column less than there are classes.

    The root diag(sqrt p) - p sqrt(p)^T is singular along sqrt(p). A Householder reflection turns this direction into
    the last column, which is then zero and left out.

    p: (batch, classes); coefficients: (batch, classes - 1). Returns (batch, classes).

    >>> times_root(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0]]))
    tensor([[ 0.5000, -0.5000]])
    """
    s = p.sqrt()
    last = s[:, -1:] / (1 + s[:, -1:])
    scaled = s[:, :-1] * coefficients
    total = scaled.sum(dim=1, keepdim=True)
    return torch.cat([scaled, -last * total], dim=1) - p * (1 - last) * total


def draw(p: Tensor, number: int, generator: torch.Generator) -> Draw:
    """Draw about `number` uncorrelated vectors v with sum E[v v^T] = diag(p) - p p^T for every picture.

    p: (batch, classes), on the CPU.
    """
    columns = p.shape[1] - 1
    expected = _shares((p * (1 - p)).double().sum(dim=1), number, columns)
    ends = (expected.cumsum(0) + torch.rand((), generator=generator, dtype=torch.float64)).floor()
    times = torch.diff(ends, prepend=ends.new_zeros(1)).long()
    pictures = torch.repeat_interleave(torch.arange(len(p)), times)
    nth = torch.arange(len(pictures)) - (times.cumsum(0) - times)[pictures]
    sizes = (p * (1 - p))[:, :-1]
    ranks = sizes.argsort(dim=1, descending=True).argsort(dim=1)
    dealt = ranks[pictures] % times[pictures, None] == nth[:, None]
    signs = 2 * torch.randint(0, 2, dealt.shape, generator=generator) - 1
    vectors = times_root(p[pictures], (signs * dealt).to(p.dtype))
    return Draw(pictures, vectors / expected.clamp_max(1).sqrt()[pictures, None].to(p.dtype))


def _shares(size: Tensor, number: int, most: int) -> Tensor:
    """Divide a number in proportion to the sizes; no share is above `most`."""
    shares, full = torch.zeros_like(size), torch.zeros_like(size, dtype=torch.bool)
    while not full.all():
        left = number - most * int(full.sum())
        total = size[~full].sum()
        if left <= 0 or total <= 0:
            break
        shares = torch.where(full, float(most), size * left / total)
        over = (shares > most) & ~full
        if not over.any():
            break
        full |= over
    return shares.clamp_max(most)
