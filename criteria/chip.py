"""CHIP: how independent a unit's feature map is of those of the other units (Sui et al., NeurIPS 2021)."""

import torch
from torch import Tensor

from prunebench import Criterion, Ranking

ROOM = 2**22  # numbers in the matrices that are decomposed at once


def chip(feature_map: Tensor) -> Tensor:
    """Mean over examples of the channel independence, ||A||_* - ||M_i A||_*, with ||.||_* the nuclear norm.

    Row i of A is the feature map of unit i after its nonlinearity, laid out as a vector. M_i sets this row to zero.
    The nuclear norm is the sum of the singular values. So a map that others can make up for costs little.

    For a layer that writes to a residual stream, the feature map is the stream after the addition and its nonlinearity,
    as in the authors' code. That code rounds feature maps to four decimals first.

    The singular values are roots of eigenvalues of A A^T or A^T A, whichever is smaller, in float64. Their error is
    about 1e-8 of the largest. Every example needs one decomposition for each unit, of a matrix of min(units, positions)
    rows. So the cost grows with pictures, units and the cube of the smaller number. Sui et al. take 640 pictures.

    feature_map: (batch, units, height, width) or (batch, units, positions...). Returns (units,).

    >>> maps = torch.tensor([[[3.0, 0.0], [0.0, 2.0], [0.0, 0.0]], [[3.0, 0.0], [4.0, 0.0], [0.0, 1.0]]])
    >>> chip(maps).tolist()  # 3 + 5 - 4, 2 + 5 - 3, 0 + 1, halved
    [2.0, 2.0, 0.5]
    """
    examples = feature_map.reshape(*feature_map.shape[:2], -1).double()
    return torch.stack([independence(maps) for maps in examples]).mean(dim=0).to(feature_map.dtype)


def independence(maps: Tensor) -> Tensor:
    """Give ||A||_* - ||M_i A||_* for every row i of A.

    maps: A, (units, positions). Returns (units,).
    """
    wide = maps.shape[0] <= maps.shape[1]
    gram = maps @ maps.T if wide else maps.T @ maps
    step = max(1, ROOM // gram.numel())
    without = [nuclear_norms(_without(gram, maps, units, wide)) for units in torch.split(torch.arange(len(maps)), step)]
    return nuclear_norms(gram) - torch.cat(without)


def _without(gram: Tensor, maps: Tensor, units: Tensor, wide: bool) -> Tensor:
    """Give the Gram matrix with one row of A set to zero, for each of some units: (units, n, n)."""
    if not wide:
        rows = maps[units]
        return gram - rows[:, :, None] * rows[:, None]
    left = torch.ones(len(units), len(gram), dtype=gram.dtype, device=gram.device)
    left[torch.arange(len(units)), units] = 0
    return gram * left[:, :, None] * left[:, None]


def nuclear_norms(grams: Tensor) -> Tensor:
    """Sum the singular values of A, given A A^T. grams: (..., n, n). Returns (...).

    >>> nuclear_norms(torch.diag(torch.tensor([4.0, 9.0]))).item()
    5.0
    """
    values: Tensor = torch.linalg.eigvalsh(grams)
    return values.clamp_min(0).sqrt().sum(dim=-1)


CRITERION = Criterion(
    chip,
    coupling="mean",
    costly=True,
    published=Ranking("local"),
    reference="Sui et al. CHIP: CHannel Independence-based Pruning for Compact Neural Networks. NeurIPS 2021",
)
