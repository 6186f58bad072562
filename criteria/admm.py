"""ADMM: training that pulls the weights towards a network with fewer units (Zhang et al., ECCV 2018)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from prunebench import Attached, Criterion, Network, Ranking, check_strength
from prunebench.criteria._pushing import lowest, written_by
from prunebench.criteria.magnitude import magnitude


def projection(weights: Tensor, share: float) -> Tensor:
    """Set the units of least L2 norm to zero, a share of them, rounded up: the nearest weights with so many zero units.

    weights: (units, fan_in), the layers of a coupled group concatenated along fan_in. Returns the same shape.

    >>> projection(torch.tensor([[3.0, 4.0], [1.0, -1.0]]), 0.5).tolist()
    [[3.0, 4.0], [0.0, 0.0]]
    """
    return weights.masked_fill(lowest(_norms(weights), share)[:, None], 0)


@dataclass(frozen=True)
class Admm:
    """The ADMM term rho/2 sum ||W - Z + U||^2, summed over coupled groups.

    W holds the weights of a group's units in all layers that write them. At the start, Z = projection(W) and U = 0. An
    update sets Z = projection(W + U), then U = U + W - Z. The projection is the filter-wise one of StructADMM. The rate
    is constant, as in implementations of the paper; others raise it again at every update. In the papers, `share` is
    the share to prune. Here one sparse training serves all keeps, so `share` acts on training only.

    Args:
        strength: rho. The papers have 1e-3 or 1e-2 for hundreds of epochs; codes that let rho grow end at 1.
        every: training steps between two updates of Z and U; some epochs in the papers. Where rho and the steps are too
            few, W stays far from Z, and U grows until other units are zero in Z.
        share: fraction of each group's units that are zero in Z, rounded up, but never all.
    """

    constant_rate: ClassVar[bool] = True
    strength: float
    every: Annotated[int, Field(ge=1)] = 20
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: Network, generator: torch.Generator) -> "AttachedAdmm":
        """Start with Z as the projection of the weights."""
        return AttachedAdmm(self, network)


class AttachedAdmm(Attached):
    """The iteration on one network, with Z and U of each group: (units, fan_in)."""

    def __init__(self, rule: Admm, network: Network) -> None:
        self.rule, self.parameters, self.rate_factor = rule, list[nn.Parameter](), 1.0
        self._steps = 0
        self._layers = {group.name: written_by(network, group) for group in network.table.groups}
        self.u = [torch.zeros_like(w) for w in self._weights()]
        self._project([w.detach() for w in self._weights()])

    def draw(self) -> None:
        """Begin a step; update Z and U every `every` steps."""
        if self._steps and self._steps % self.rule.every == 0:
            weights = [w.detach() for w in self._weights()]
            self._project(weights)
            self.u = [u + w - z for w, z, u in zip(weights, self.z, self.u, strict=True)]
        self._steps += 1

    def penalty(self) -> Tensor:
        """Return rho/2 times the squared distance of W from Z - U; a scalar."""
        squares = [(w - z + u).square().sum() for w, z, u in zip(self._weights(), self.z, self.u, strict=True)]
        return 0.5 * self.rule.strength * torch.stack(squares).sum()

    def measure(self) -> Tensor:
        """Return the term with the initial Z and U: the distance of W from its projection; a scalar."""
        squares = [(w - projection(w, self.rule.share).detach()).square().sum() for w in self._weights()]
        return 0.5 * self.rule.strength * torch.stack(squares).sum()

    def pushed(self) -> dict[str, Tensor]:
        """Return the units that are zero in Z."""
        return dict(zip(self._layers, self._zero, strict=True))

    def _project(self, weights: list[Tensor]) -> None:
        sums = [w + u for w, u in zip(weights, self.u, strict=True)]
        self._zero = [lowest(_norms(s), self.rule.share) for s in sums]
        self.z = [s.masked_fill(zero[:, None], 0) for s, zero in zip(sums, self._zero, strict=True)]

    def _weights(self) -> list[Tensor]:
        return [torch.cat([layer.rows() for layer in layers], dim=1) for layers in self._layers.values()]


def _norms(weights: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(weights, dim=1)
    return norms


CRITERION = Criterion(
    magnitude,
    name="admm",
    coupling="joint",
    regulariser=Admm(strength=1.0),
    published=Ranking("local"),
    reference="Zhang, Ye, Zhang, Tang, Wen, Fardad, Wang. A Systematic DNN Weight Pruning Framework using Alternating "
    "Direction Method of Multipliers. ECCV 2018; filter-wise as in Zhang et al. StructADMM. arXiv 1807.11091, 2018",
)
