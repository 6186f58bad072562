"""Exclusive sparsity: sparse training with the squared L1 norm of groups of weights, then a unit's L2 norm."""

import torch
from torch import Tensor

from prunebench import Criterion, Penalty, Ranking
from prunebench.criteria._kernels import Alignment, Form, grouped
from prunebench.criteria.magnitude import magnitude


def exclusive_sparsity(
    weight: Tensor, *, form: Form = "plain", alignment: Alignment = "feature-wise", eps: float = 1e-12
) -> Tensor:
    """Sum over groups g of ||W_g||_1^2; hierarchical: of (sum_b ||W_b||_1^2)^(1/2) or (sum_b ||W_b||_1^2)^2.

    The plain form makes the weights of a group compete: it thins groups out rather than emptying them. A block b holds
    the spatial weights of one output and one input channel. A feature-wise group, as published, holds the blocks of one
    *input* channel, a neuron-wise group those of one output channel. eps: added inside the root.

    Linear layers join, as in Yoon and Hwang (ICML 2017): a feature-wise group is then the outgoing weights of one unit.
    Mitsuno et al. have the hierarchical forms on convolutions alone (`linear=false`).

    weight: (units, inputs, positions). Returns a scalar.

    >>> w = torch.tensor([[[1.0, -2.0]], [[0.0, 4.0]]])  # two blocks of L1 norms 3 and 4 at one input
    >>> [f"{exclusive_sparsity(w, form=form):.3f}" for form in ("plain", "square-rooted", "squared")]
    ['49.000', '5.000', '625.000']
    """
    return grouped(weight.abs().sum(dim=2), torch.square, form, alignment, eps)


CRITERION = Criterion(
    magnitude,
    name="exclusive_sparsity",
    regulariser=Penalty(exclusive_sparsity, strength=1e-5, linear=True),
    published=Ranking("global"),
    reference="Zhou, Jin, Hoi. AISTATS 2010; Yoon, Hwang. ICML 2017 (networks); "
    "Mitsuno, Miyao, Kurita. IJCNN 2020 (hierarchical forms)",
)
