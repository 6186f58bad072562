"""The oracle: the true change of the loss when something is removed.

Scores of LeCun et al. (1990), Molchanov et al. (2017, 2019) and others estimate the change when one unit is removed.
docs/explanation/fidelity.md says what the oracle leaves out.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from prunebench.errors import UserError, kind_of
from prunebench.pruning.network import Network
from prunebench.scoring.evidence import undisturbed


def loss_changes(network: Network, others: Iterable[Network], batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the change of every picture's loss from a network to others: (others, pictures), in nats.

    All run in eval mode, BatchNorm with its statistics as they are. No network is changed.

    Args:
        network: dense or already pruned.
        others: networks to compare, such as copies without one unit each. Each is used before the next is taken.
        batches: (pictures, labels) pairs, normalised.

    Raises `UserError` for what is no `Network`, and where there is no batch.

    >>> from torch import nn
    >>> from prunebench import Network, analyse, remove
    >>> model, pictures = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4, 2)), torch.randn(8, 1, 3, 3)
    >>> network = Network.dense(model, analyse(model, pictures))
    >>> without = (remove(network, {"0": torch.tensor([unit])}) for unit in range(4))
    >>> loss_changes(network, without, [(pictures, torch.zeros(8, dtype=torch.int64))]).shape
    torch.Size([4, 8])
    """
    held = list(batches)
    if not held:
        raise UserError("batches: there is none; give pairs of pictures and labels")
    before = _losses(network, held)
    changes = [_losses(other, held) - before for other in others]
    return torch.stack(changes) if changes else before.new_zeros(0, len(before))


@torch.no_grad()
def _losses(network: Network, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    if not isinstance(network, Network):
        how = "Network.dense(model, prunebench.analyse(model, pictures))"
        raise UserError(f"{kind_of(network)} is no prunebench.Network; give {how} or a copy by prunebench.remove")
    with undisturbed(network.model):
        losses = [
            F.cross_entropy(
                network.model(pictures.to(network.device, network.dtype)), labels.to(network.device), reduction="none"
            )
            for pictures, labels in batches
        ]
    return torch.cat(losses).cpu()
