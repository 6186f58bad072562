"""The oracle: the change of the loss that each unit's removal makes, measured one by one (Molchanov et al., 2017)."""

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

from prunebench import ModelScore, Network, Ranking, loss_changes, remove

Change = Literal["signed", "absolute"]


def oracle(
    network: Network,
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    change: Change = "signed",
) -> dict[str, Tensor]:
    """Mean change of the loss on the calibration pictures when a unit is removed: one pass for each unit.

    Scores of first and second order estimate this number. Other units stay, and nothing is trained, so that the units
    that it removes together may still be a poor set. The only unit of a group cannot be removed, and has the score 0.

    change: `signed` removes first what lowers the loss most. `absolute` removes first what changes it least: Molchanov
    et al. call the two oracle-loss and oracle-abs.

    batches: pairs (pictures, labels). Returns (units,) by layer.
    """
    scores = {}
    for name, kept in network.kept.items():
        without = (remove(network, {name: unit[None]}) for unit in kept) if len(kept) > 1 else ()
        changes = _mean(loss_changes(network, without, batches), change)
        scores[name] = changes if len(kept) > 1 else torch.zeros(len(kept))
    return network.by_layer(scores)


def oracle_of_blocks(
    network: Network,
    without: Iterable[Network],
    batches: Sequence[tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    change: Change = "signed",
) -> Tensor:
    """Mean change of the loss when a whole block is removed. without: networks that lack one block each. (blocks,)."""
    return _mean(loss_changes(network, without, batches), change)


def _mean(changes: Tensor, change: Change) -> Tensor:
    """Average over pictures. changes: (units, pictures).

    >>> _mean(torch.tensor([[-3.0, 1.0]]), "signed"), _mean(torch.tensor([[-3.0, 1.0]]), "absolute")
    (tensor([-1.]), tensor([1.]))
    """
    mean = changes.double().mean(dim=1).float()
    return mean.abs() if change == "absolute" else mean


CRITERION = ModelScore(
    oracle,
    of_blocks=oracle_of_blocks,
    scale="loss",
    coupling="first",
    costly=True,
    published=Ranking("global"),
    reference="Molchanov et al. Pruning Convolutional Neural Networks for Resource Efficient Inference. ICLR 2017, 2.1",
)
