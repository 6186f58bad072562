"""L0: sparse training with hard-concrete gates on the units, then their probability of being open (Louizos 2018)."""

from torch import Tensor

from prunebench import Criterion, Gates, Ranking, open_probability


def l0(gate: Tensor) -> Tensor:
    """Probability that each unit's gate is open (eq. 12). Never the gate of test time: many of those are exactly one.

    gate: log alpha, (units,), one for a coupled group. Returns (units,), in double precision:
    float32 has ties near one.

    >>> import torch
    >>> l0(torch.tensor([9.0, -1.6])).round(decimals=3).tolist()
    [1.0, 0.5]
    """
    return open_probability(gate.double())


CRITERION = Criterion(
    l0,
    regulariser=Gates(strength=1e-3),
    coupling="first",
    published=Ranking("global"),
    reference="Louizos, Welling, Kingma. Learning Sparse Neural Networks through L0 Regularization. ICLR 2018",
)
