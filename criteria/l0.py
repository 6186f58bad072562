"""L0: sparse training with hard-concrete gates on the units, then the gates' log alpha as score (Louizos 2018)."""

from torch import Tensor

from prunebench.criterion import Criterion, Ranking
from prunebench.gates import Gates


def l0(gate: Tensor) -> Tensor:
    """Log alpha of each unit's gate: it orders the units as their probability of being open does, without ties.

    gate: (units,), one for a coupled group. Returns (units,).

    >>> import torch
    >>> l0(torch.tensor([2.0, -1.0])).tolist()
    [2.0, -1.0]
    """
    return gate.clone()


CRITERION = Criterion(
    l0,
    regulariser=Gates(strength=1e-3),
    coupling="first",
    published=Ranking("global"),
    reference="Louizos, Welling, Kingma. Learning Sparse Neural Networks through L0 Regularization. ICLR 2018",
)
