"""Single weights as a score sees them: each weight is a unit with a fan-in of one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from prunebench.plugins.criterion import AnyCriterion, Criterion
from prunebench.pruning.masks import kept_weights
from prunebench.pruning.network import Group, Network, Slice, weight_of

MATRICES = ("weight", "grad", "curvature", "input_norm")  # (units, fan_in)
ABSENT = ("bias", "bias_grad", "bias_curvature")  # a weight has no bias of its own: zeros
SHOWN = (*MATRICES, *ABSENT, "generator")


@dataclass(eq=False)
class WeightView(Network):
    """A network whose weights are scored one by one: in its table every convolution and linear layer is a group."""

    @classmethod
    def over(cls, network: Network) -> "WeightView":
        """Show the weights of a network one by one."""
        groups = []
        for layer in network.table.positions:
            units = len(weight_of(network, layer))
            groups.append(Group(layer, units, (layer,), (Slice(layer, "out", torch.arange(units)[:, None]),)))
        kept = {group.name: torch.arange(group.units) for group in groups}
        return cls(network.model, replace(network.table, groups=tuple(groups)), kept, masks=network.masks)

    def __post_init__(self) -> None:
        self._still = kept_weights(self)

    def kept_weights(self, layer: str) -> Tensor:
        """Give the weights of a layer that are still there, (weights,) in their flat order."""
        return self._pick(layer, weight_of(self, layer))

    def show(self, layer: str, evidence: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Turn matrices (units, fan_in) into (weights, 1), the parts of biases into zeros (weights,)."""
        zeros = torch.zeros_like(self.kept_weights(layer))
        shown = {name: self._pick(layer, value)[:, None] for name, value in evidence.items() if name in MATRICES}
        return shown | dict.fromkeys(ABSENT, zeros)

    def _pick(self, layer: str, values: Tensor) -> Tensor:
        return values.flatten()[self._still[layer].to(values.device)]


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
