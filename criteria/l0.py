"""L0: sparse training with hard-concrete gates, then each gate's probability of being open (Louizos et al. 2018)."""

from torch import Tensor

from prunebench import Criterion, Gates, Ranking, open_probability


def l0(gate: Tensor) -> Tensor:
    """Probability that each unit's gate is open (eq. 12).

    The gate of test time is no score: many of these gates are exactly one. gate: log alpha, (units,), shared by a
    coupled group. Returns (units,), in double precision: float32 has ties near one.

    >>> import torch
    >>> l0(torch.tensor([9.0, -1.6])).round(decimals=3).tolist()
    [1.0, 0.5]
    """
    return open_probability(gate.double())


CRITERION = Criterion(
    l0,
    regulariser=Gates(strength=0.4),
    coupling="first",
    published=Ranking("global"),
    reference="Louizos, Welling, Kingma. Learning Sparse Neural Networks through L0 Regularization. ICLR 2018",
)
