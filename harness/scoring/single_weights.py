"""Scores of single weights by the criteria of units."""

import torch
from torch import Tensor

from prunebench.errors import CellError
from prunebench.plugins.criterion import AnyCriterion, Criterion
from prunebench.pruning.network import Network
from prunebench.scoring.layers import Batches
from prunebench.scoring.score import score
from prunebench.scoring.weight_view import SHOWN, SingleWeights


def score_weights(
    criterion: AnyCriterion, network: Network, batches: Batches, generator: torch.Generator, watched: bool = True
) -> dict[str, Tensor]:
    """Score the weights still there: (weights,) by layer, in their flat order, low = remove first.

    Averaging over batches and `finish` are those of `scoring.score`; every weight stands for itself, so nothing is
    coupled. Raises `CellError` for a criterion that is for units only, and as `scoring.score` does.
    """
    reason = for_units_only(criterion)
    if reason:
        raise CellError(reason)
    return score(criterion, SingleWeights.of(network), batches, generator, watched)


def for_units_only(criterion: AnyCriterion) -> str:
    """Say why a criterion cannot score single weights; nothing if it can.

    >>> from prunebench.criteria.fisher import CRITERION
    >>> for_units_only(CRITERION)
    "criterion 'fisher' is for units only: a single weight has no output and output_grad"
    """
    where = f"criterion '{criterion.label}' is for units only:"
    if not isinstance(criterion, Criterion):
        return f"{where} it scores whole layers"
    if criterion.units_only:
        return f"{where} its score needs whole units"
    missing = [name for name in criterion.evidence if name not in SHOWN]
    return f"{where} a single weight has no {' and '.join(missing)}" if missing else ""
