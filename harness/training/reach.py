"""The units that a regulariser acts on."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from prunebench.pruning.network import Group, Network
from prunebench.pruning.unit_weights import unit_weights

OWN = "gates"  # name of a regulariser's own parameters, with their number


def acted_on(network: Network, gradients: Mapping[str, Tensor | None]) -> float:
    """Give the share of a network's units at whose own weights, BatchNorm or gate a term pulls.

    gradients: of the term, by the name of the parameter; None where there is none.

    >>> from prunebench.testing import toys
    >>> network = toys.chain()
    >>> network.units, acted_on(network, {"0.weight": torch.ones_like(network.layer("0").weight)})
    ({'0': 6, '2': 4, '6': 8}, 0.333...)
    """
    gates = [gradient for name, gradient in gradients.items() if name.startswith(f"{OWN} ")]
    acted = total = 0
    for number, group in enumerate(network.table.groups):
        pulled = _by_weights(network, group, gradients)
        gate = gates[number] if len(gates) == len(network.table.groups) else None
        if gate is not None and gate.shape == pulled.shape:
            pulled = pulled | (gate != 0)
        acted, total = acted + int(pulled.sum()), total + len(pulled)
    return acted / total if total else 0.0


def _by_weights(network: Network, group: Group, gradients: Mapping[str, Tensor | None]) -> Tensor:
    pulled = torch.zeros(network.units[group.name], dtype=torch.bool, device=network.device)
    for part in unit_weights(network, group):
        gradient = gradients.get(f"{part.layer}.weight")
        if part.side == "out" and gradient is not None:
            pulled |= replace(part, weight=gradient).sums(Tensor.abs) > 0
    return pulled
