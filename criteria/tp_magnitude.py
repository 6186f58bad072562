"""Group magnitude as torch-pruning computes it: `tp.importance.GroupMagnitudeImportance` (Fang et al., CVPR 2023)."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from prunebench import ModelScore, Network, Ranking
from prunebench.criteria._group_importance import Normalizer, Reduction, group_importance


def tp_magnitude(
    network: Network,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    p: Annotated[float, Field(gt=0)] = 2.0,
    group_reduction: Reduction = "mean",
    normalizer: Normalizer = "mean",
) -> dict[str, Tensor]:
    """Sum of |w|^p over a unit's weights in a layer, mean over the layers of its group, over the mean of its units.

    No root is taken. The options have the names and defaults of torch-pruning 1.6.1. There, biases do not count by
    default, and depthwise convolutions never do. With p = 2, units of one group have the order of `group_norm` unless
    a depthwise convolution is among their layers. The batches are not used. The cost grows with the parameters alone.

    Returns (units,) by layer.
    """
    return group_importance(
        network, lambda piece: piece.sums(lambda w: w.abs().pow(p)), group_reduction, normalizer, norms=True
    )


CRITERION = ModelScore(
    tp_magnitude,
    coupling="first",
    data_free=True,
    published=Ranking("local"),
    reference="torch-pruning 1.6.1, GroupMagnitudeImportance; Fang et al. DepGraph. CVPR 2023",
)
