"""Hard-concrete gates on units: L0 regularisation (Louizos, Welling & Kingma, ICLR 2018).

One gate per unit of a coupled group multiplies the unit's output *after its BatchNorm*, in every layer of the group: a
factor before a BatchNorm would be normalised away. Where a depthwise convolution alone reads the unit, the gate stands
after it and not before, too: it would act twice on the way.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.regulariser import check_strength
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Group, Network

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1  # temperature and stretch, the paper's values
DECAY = 0.99  # of the running mean square of a gate's gradient
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def sampled_gate(log_alpha: Tensor, noise: Tensor) -> Tensor:
    """Draw gates in [0, 1] from uniform noise in (0, 1): eq. 10 and 11 of the paper; any shape.

    >>> sampled_gate(torch.tensor([-9.0, 0.0, 9.0]), torch.tensor([0.5, 0.5, 0.5])).tolist()
    [0.0, 0.5, 1.0]
    """
    return _stretched((noise.logit() + log_alpha).div(BETA).sigmoid())


def expected_gate(log_alpha: Tensor) -> Tensor:
    """Gates at test time, eq. 13; any shape.

    >>> expected_gate(torch.tensor([-9.0, 0.0, 9.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return _stretched(log_alpha.sigmoid())


def open_probability(log_alpha: Tensor) -> Tensor:
    """Probability that a drawn gate is not zero, eq. 12; any shape.

    >>> open_probability(torch.zeros(1)).item()  # sigmoid(2/3 log 11)
    0.831...
    """
    return (log_alpha - BETA * math.log(-GAMMA / ZETA)).sigmoid()


def _stretched(soft: Tensor) -> Tensor:
    return (soft * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


@dataclass(frozen=True)
class Gates:
    """Gates on all units of a network; the term is strength times the expected number of open gates.

    A closed gate equals a removal unless a function with f(0) != 0, such as a sigmoid, stands between it and what reads
    the unit: the function's constant goes with the unit when it is removed.

    Args:
        strength: price of one open unit, in units of the mean loss; every unit counts alike.
        start: log alpha of every gate at the beginning; at 2 a gate is open with probability .97 and .96 at test time.
        rate: the learning rate of log alpha, as a multiple of the network's. The gradient of every log alpha is divided
            by its running root mean square (RMSprop): it is orders of magnitude smaller than that of a weight and
            differs as much between layers. The paper trains with Adam, which does the same.
    """

    strength: float
    start: float = 2.0
    rate: float = 1.0

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: Network, generator: torch.Generator) -> "AttachedGates":
        """Put gates on the units of a network that are still there.

        Raises `CellError` where a unit meets a BatchNorm that is not its own layer's (DenseNet): a gate would stand
        before that BatchNorm.
        """
        return AttachedGates(self, network, generator)


class AttachedGates:
    """Gates at work on one network: hooks multiply what leaves a layer, drawn in training and expected in eval mode."""

    def __init__(self, rule: Gates, network: Network, generator: torch.Generator) -> None:
        self.rule, self.network, self.rate_factor = rule, network, rule.rate
        self._generator = generator
        self._places = {group.name: _places(network, group) for group in network.table.groups}
        self._log_alpha = {
            name: nn.Parameter(torch.full((units,), rule.start, dtype=network.dtype, device=network.device))
            for name, units in network.units.items()
        }
        self.parameters = list(self._log_alpha.values())
        self._noise: dict[str, Tensor] = {}
        self._handles = [
            network.layer(layer).register_forward_hook(self._hook(group, positions))
            for group, places in self._places.items()
            for layer, positions in places.items()
        ]
        for parameter in self.parameters:
            parameter.register_post_accumulate_grad_hook(_Normalised(parameter))  # type: ignore[no-untyped-call]
        self.draw()

    def draw(self) -> None:
        """Draw the noise of one training step, one number per gate."""
        for name, log_alpha in self._log_alpha.items():
            uniform = torch.rand(log_alpha.shape, generator=self._generator, dtype=torch.float64)
            self._noise[name] = uniform.clamp(1e-6, 1 - 1e-6).to(log_alpha)

    def penalty(self) -> Tensor:
        """Strength times the expected number of open gates; a scalar."""
        return self.rule.strength * torch.stack([open_probability(a).sum() for a in self.parameters]).sum()

    def measure(self) -> Tensor:
        """Give the term; a scalar."""
        return self.penalty()

    @torch.no_grad()
    def detach(self) -> dict[str, Tensor]:
        """Fold the gates of test time into the network and take the hooks off; gives log alpha (units,) by group."""
        for handle in self._handles:
            handle.remove()
        for group, places in self._places.items():
            gate = expected_gate(self._log_alpha[group])
            for layer, positions in places.items():
                module = self.network.layer(layer)
                for name in ("scale",) if isinstance(module, ChannelPad) else ("weight", "bias"):
                    tensor = getattr(module, name)
                    if tensor is not None:
                        factor = _spread(gate, positions, tensor)
                        tensor.mul_(factor.view(-1, *[1] * (tensor.ndim - 1)))
        return {name: log_alpha.detach().clone() for name, log_alpha in self._log_alpha.items()}

    def _hook(self, group: str, positions: Tensor) -> Any:
        def multiply(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            log_alpha = self._log_alpha[group]
            gate = sampled_gate(log_alpha, self._noise[group]) if module.training else expected_gate(log_alpha)
            axis = -1 if isinstance(module, nn.Linear) else 1
            shape = [1] * output.ndim
            shape[axis] = output.shape[axis]
            return output * _spread(gate, positions, output.movedim(axis, 0)).to(output.dtype).view(shape)

        return multiply


class _Normalised:
    """Divides a parameter's gradient by its running root mean square, once it is complete."""

    def __init__(self, parameter: Tensor) -> None:
        self.square, self.steps = torch.zeros_like(parameter), 0

    def __call__(self, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self.steps += 1
            self.square.lerp_(parameter.grad.square(), 1 - DECAY)
            parameter.grad /= (self.square / (1 - DECAY**self.steps)).sqrt() + 1e-12


def _spread(gate: Tensor, positions: Tensor, like: Tensor) -> Tensor:
    """Give the factor (channels,) of every channel; channels of no unit keep theirs. positions: (units, k)."""
    where = positions.to(gate.device)
    return gate.new_ones(like.shape[0]).index_put((where,), gate[:, None].expand(where.shape))


def _places(network: Network, group: Group) -> dict[str, Tensor]:
    """Layers after which the group's gates stand, with the units' positions (units, k) in them."""
    owned = {network.table.norm[layer] for layer in group.producers if layer in network.table.norm}
    places = {}
    for piece in group.slices:
        module = network.layer(piece.layer)
        if isinstance(module, NORMS) and piece.layer not in owned:
            raise CellError(f"gates are not supported before a BatchNorm of another layer ('{piece.layer}')")
        if isinstance(module, ChannelPad) and piece.side == "out":
            places[piece.layer] = network.positions(group, piece.layer)
    for layer in group.producers:
        if layer in network.table.depthwise.values():
            continue  # its units go on through a depthwise convolution alone, after which they meet the gate
        place = network.table.norm.get(layer, layer)
        if network.layer(place).weight is None:
            raise CellError(f"gates cannot be folded into BatchNorm '{place}' without weight and bias")
        places[place] = network.positions(group, layer)
    return places
