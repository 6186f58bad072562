"""The oracle: the true change of the loss when one unit is removed.

A unit is masked in every slice of its coupled group, which equals its removal (`pruning.removal`). Then the loss is
computed again, in eval mode with unchanged running statistics of BatchNorm. The scores of LeCun et al. (1990),
Molchanov et al. (2017, 2019) and others estimate this change. docs/explanation/fidelity.md says what the oracle leaves
out.
"""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove, zero_units
from prunebench.scoring.evidence import undisturbed

Repair = Callable[[nn.Module], nn.Module]


def loss_changes(
    network: Network,
    units: Mapping[str, Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    repair: Repair | None = None,
) -> dict[str, Tensor]:
    """Return the change of every picture's loss when one unit is removed: (units, pictures) by group, in nats.

    The network is left as it was. Its parameters are copied once, whatever the number of units.

    Args:
        network: dense or already pruned.
        units: original numbers (any,) of remaining units by group; a group's only unit cannot be removed.
        batches: (pictures, labels) pairs, normalised.
        repair: function called on the network before the first removal and after each; None to call none.

    >>> from prunebench.testing import toys
    >>> {name: tuple(c.shape) for name, c in loss_changes(toys.chain(), {"0": torch.arange(6)}, toys.batches()).items()}
    {'0': (6, 8)}
    """
    repair = repair or (lambda model: model)
    working = remove(network, {})
    changes: dict[str, list[Tensor]] = {name: [] for name in units}
    with undisturbed(working.model), torch.no_grad():
        intact = repair(working.model)
        for pictures, labels in batches:
            pictures, labels = pictures.to(network.device, network.dtype), labels.to(network.device)
            before = _losses(intact, pictures, labels)
            for name, numbers in units.items():
                rows = []
                for unit in numbers.unbind():
                    zero_units(working, {name: unit[None]})
                    rows.append(_losses(repair(working.model), pictures, labels) - before)
                    _unmask(working, network, name)
                changes[name].append(torch.stack(rows).cpu())
    return {name: torch.cat(parts, dim=1) for name, parts in changes.items()}


def _losses(model: nn.Module, pictures: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(model(pictures), labels, reduction="none")


def _unmask(working: Network, network: Network, group: str) -> None:
    """Restore a group's units in the working copy."""
    for layer in {unit_slice.layer for unit_slice in network.table.group(group).slices}:
        working.layer(layer).load_state_dict(network.layer(layer).state_dict())
