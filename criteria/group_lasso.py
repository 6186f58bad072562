"""Group lasso: sparse training with the L2 norm of groups of weights, plain or hierarchical, then a unit's L2 norm."""

from torch import Tensor

from prunebench import Criterion, Penalty, Ranking
from prunebench.criteria._kernels import Alignment, Form, grouped
from prunebench.criteria.magnitude import magnitude


def group_lasso(
    weight: Tensor, *, form: Form = "plain", alignment: Alignment = "feature-wise", eps: float = 1e-12
) -> Tensor:
    """Sum over groups g of ||W_g||_2; hierarchical: of (sum_b ||W_b||_2)^(1/2) or of (sum_b ||W_b||_2)^2.

    A block b holds the spatial weights of one output and one input channel. A feature-wise group, as published, holds
    the blocks of one *input* channel, a neuron-wise group those of one output channel. eps: added inside every root.

    Linear layers join, as in Scardapane et al. (Neurocomputing 2017): a feature-wise group is then the outgoing weights
    of one unit. Mitsuno et al. have the hierarchical forms on convolutions alone (`linear=false`).

    weight: (units, inputs, positions). Returns a scalar.

    >>> import torch
    >>> w = torch.tensor([[[3.0, -4.0]], [[0.0, 12.0]]])  # two blocks of norms 5 and 12 at one input
    >>> [f"{group_lasso(w, form=form):.3f}" for form in ("plain", "square-rooted", "squared")]
    ['13.000', '4.123', '289.000']
    """
    return grouped(weight.square().sum(dim=2), lambda b: (b + eps).sqrt(), form, alignment, eps)


CRITERION = Criterion(
    magnitude,
    name="group_lasso",
    regulariser=Penalty(group_lasso, strength=0.003, linear=True),
    published=Ranking("global"),
    reference="Yuan, Lin. J. R. Stat. Soc. B 2006; Scardapane et al. Neurocomputing 2017 (networks); "
    "Mitsuno, Miyao, Kurita. IJCNN 2020 (hierarchical forms)",
)
