"""The oracle: the true change of the loss when something is removed.

Scores of LeCun et al. (1990), Molchanov et al. (2017, 2019) and others estimate the change when one unit is removed.
docs/explanation/fidelity.md says what the oracle leaves out.
"""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from prunebench.pruning.network import Network
from prunebench.scoring.evidence import undisturbed


def loss_changes(network: Network, others: Iterable[Network], batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the change of every picture's loss from a network to others: (others, pictures), in nats.

    All run in eval mode, BatchNorm with its statistics as they are. No network is changed.

    Args:
        network: dense or already pruned.
        others: networks to compare, such as copies without one unit each. Each is used before the next is taken.
        batches: (pictures, labels) pairs, normalised.

    >>> from prunebench.pruning.removal import remove
    >>> from prunebench.testing import toys
    >>> chain = toys.chain()
    >>> loss_changes(chain, (remove(chain, {"0": unit[None]}) for unit in torch.arange(6)), toys.batches()).shape
    torch.Size([6, 8])
    """
    held = list(batches)
    before = _losses(network, held)
    changes = [_losses(other, held) - before for other in others]
    return torch.stack(changes) if changes else before.new_zeros(0, len(before))


@torch.no_grad()
def _losses(network: Network, batches: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    with undisturbed(network.model):
        losses = [
            F.cross_entropy(
                network.model(pictures.to(network.device, network.dtype)), labels.to(network.device), reduction="none"
            )
            for pictures, labels in batches
        ]
    return torch.cat(losses).cpu()
