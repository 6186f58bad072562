"""Single weights shown to a score: each weight is a unit with a fan-in of one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prunebench.plugins.criterion import AnyCriterion, Criterion
from prunebench.pruning.masks import kept_weights
from prunebench.pruning.network import Group, Network, Slice, weight_of

MATRICES = ("weight", "grad", "curvature", "input_norm")  # (units, fan_in)
ABSENT = ("bias", "bias_grad", "bias_curvature")  # a single weight has no bias: zeros
SHOWN = (*MATRICES, *ABSENT, "generator")


@dataclass(eq=False)
class WeightView(Network):
    """A network whose weights are scored one by one. Each convolution and linear layer is one group of its table."""

    @classmethod
    def over(cls, network: Network) -> "WeightView":
        """Make the view of a network."""
        groups = []
        for layer in network.table.positions:
            units = len(weight_of(network, layer))
            groups.append(Group(layer, units, (layer,), (Slice(layer, "out", torch.arange(units)[:, None]),)))
        kept = {group.name: torch.arange(group.units) for group in groups}
        return cls(network.model, replace(network.table, groups=tuple(groups)), kept, masks=network.masks)

    def __post_init__(self) -> None:
        self._kept_weights = kept_weights(self)

    def kept_weights(self, layer: str) -> Tensor:
        """Return the remaining weights of a layer: (weights,), in their flat order."""
        return self._pick(layer, weight_of(self, layer))

    def show(self, layer: str, evidence: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Turn matrices (units, fan_in) into (weights, 1), and evidence of biases into zeros (weights,)."""
        zeros = torch.zeros_like(self.kept_weights(layer))
        shown = {name: self._pick(layer, value)[:, None] for name, value in evidence.items() if name in MATRICES}
        return shown | dict.fromkeys(ABSENT, zeros)

    def _pick(self, layer: str, values: Tensor) -> Tensor:
        return values.flatten()[self._kept_weights[layer].to(values.device)]


def for_units_only(criterion: AnyCriterion) -> str:
    """Return the reason why a criterion cannot score single weights; empty if it can.

    >>> from prunebench.criteria.fisher import CRITERION
    >>> for_units_only(CRITERION)
    "criterion 'fisher' is for units only: a single weight has no activation or activation_grad"
    """
    where = f"criterion '{criterion.label}' is for units only:"
    if not isinstance(criterion, Criterion):
        return f"{where} it scores whole layers"
    if criterion.units_only:
        return f"{where} its score needs whole units"
    missing = [name for name in criterion.evidence if name not in SHOWN]
    return f"{where} a single weight has no {' or '.join(missing)}" if missing else ""
