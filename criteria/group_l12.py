"""Group L1/2: sparse training with the root of the L1 norm of groups of weights, then a unit's L2 norm."""

from torch import Tensor

from prunebench import Criterion, Penalty, Ranking
from prunebench.criteria._kernels import Alignment, Form, grouped
from prunebench.criteria.magnitude import magnitude


def group_l12(
    weight: Tensor, *, form: Form = "plain", alignment: Alignment = "feature-wise", eps: float = 1e-8
) -> Tensor:
    """Sum over groups g of |W_g|^(1/2); hierarchical: of (sum_b |W_b|^(1/2))^(1/2) or of (sum_b |W_b|^(1/2))^2.

    |.| is the L1 norm. A block b holds the spatial weights of one output and one input channel. A feature-wise group,
    as published, holds the blocks of one *input* channel, a neuron-wise group those of one output channel. The squared
    form, mixed with L1, is `hsqgl12`. As published, convolutions alone are penalised. eps: added inside every root.

    weight: (units, inputs, positions). Returns a scalar.

    >>> import torch
    >>> w = torch.tensor([[[1.0, -3.0]], [[0.0, 9.0]]])  # two blocks of L1 norms 4 and 9 at one input
    >>> [f"{group_l12(w, form=form):.3f}" for form in ("plain", "square-rooted", "squared")]
    ['3.606', '2.236', '25.000']
    """
    return grouped(weight.abs().sum(dim=2), lambda b: (b + eps).sqrt(), form, alignment, eps)


CRITERION = Criterion(
    magnitude,
    name="group_l12",
    regulariser=Penalty(group_l12, strength=1e-2),
    published=Ranking("global"),
    reference="Mitsuno, Miyao, Kurita. Hierarchical Group Sparse Regularization for Deep CNNs. IJCNN 2020",
)
