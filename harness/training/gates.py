"""Hard-concrete gates on units: L0 regularisation (Louizos, Welling & Kingma, ICLR 2018).

The term is the paper's lambda sum_g |g| P(gate g is open), where |g| counts the parameters behind gate g.

Each unit of a coupled group has one gate. The gate multiplies the unit's output *after its BatchNorm* in every layer of
the group; a BatchNorm would cancel a factor before it. If only a depthwise convolution reads the unit, the gate acts
after that convolution alone. A second gate before the convolution would multiply the unit twice.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.regulariser import Attached, check_strength
from prunebench.pruning.kinds import RESCALING
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Group, Network
from prunebench.pruning.unit_weights import own_parameters

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1  # temperature, and the ends of the stretched interval; the paper's values
DECAY = 0.99  # of the running mean square of a gate's gradient
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def sampled_gate(log_alpha: Tensor, noise: Tensor) -> Tensor:
    """Draw gates in [0, 1] from uniform noise in (0, 1), any shape (eq. 10 and 11).

    >>> sampled_gate(torch.tensor([-9.0, 0.0, 9.0]), torch.tensor([0.5, 0.5, 0.5])).tolist()
    [0.0, 0.5, 1.0]
    """
    return _stretched((noise.logit() + log_alpha).div(BETA).sigmoid())


def expected_gate(log_alpha: Tensor) -> Tensor:
    """Give the gates at test time, any shape (eq. 13).

    >>> expected_gate(torch.tensor([-9.0, 0.0, 9.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    return _stretched(log_alpha.sigmoid())


def open_probability(log_alpha: Tensor) -> Tensor:
    """Give the probability that a drawn gate is not zero, any shape (eq. 12).

    >>> open_probability(torch.zeros(1)).item()  # sigmoid(2/3 log 11)
    0.831...
    """
    return (log_alpha - BETA * math.log(-GAMMA / ZETA)).sigmoid()


def openness(log_alpha: Tensor) -> tuple[int, ...]:
    """Count gates by their probability of being open, in ten bins over [0, 1]; any shape.

    >>> openness(torch.tensor([-9.0, -9.0, 9.0]))
    (2, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    """
    counts = torch.histc(open_probability(log_alpha.double()).cpu(), bins=10, min=0, max=1)
    return tuple(int(count) for count in counts)


def _stretched(soft: Tensor) -> Tensor:
    return (soft * (ZETA - GAMMA) + GAMMA).clamp(0, 1)


@dataclass(frozen=True)
class Gates:
    """Gates on all units of a network. The term is the strength times the expected share of their own parameters.

    A unit's own parameters are the weights that write it, its biases and BatchNorm. The authors' code charges a gate on
    a filter its weights, too. It gates the inputs of linear layers, so it charges the weights that read them. Here
    every gate stands on an output. The paper's lambda / N for N training pictures is the strength over all own
    parameters.

    A closed gate equals a removal if every function after the gate maps zero to zero. After a sigmoid, say, the next
    layer reads f(0) from a closed gate, but nothing from a removed unit.

    Args:
        strength: penalty of a network with all gates open, in units of the mean loss.
        droprate: the paper's dropout rate at the start; log alpha begins at log((1 - droprate) / droprate). At 0.1, a
            drawn gate is open with probability 0.98; the test-time gate is 0.98. The paper has 0.3 or 0.5 and trains
            from the start for 200 epochs. A trained ResNet-20 does not survive gates of 0.5 for a few epochs.
        rate: learning rate of log alpha, as a multiple of the network's rate. Gradients of log alpha are orders of
            magnitude smaller than those of weights, and differ as much between layers. So each is divided by its
            running root mean square (RMSprop); the paper trains with Adam, which does the same.
    """

    strength: float
    droprate: Annotated[float, Field(gt=0, lt=1)] = 0.1
    rate: float = 1.0

    def __post_init__(self) -> None:
        check_strength(self.strength)

    def attach(self, network: Network, generator: torch.Generator) -> "AttachedGates":
        """Put gates on the remaining units of a network.

        Raises `CellError` if a unit passes a BatchNorm that does not follow its own layer (DenseNet): the gate would
        come before this BatchNorm, which would cancel it.
        """
        return AttachedGates(self, network, generator)


class AttachedGates(Attached):
    """Gates at work on one network. Hooks multiply outputs by drawn gates in training, by expected gates in eval."""

    def __init__(self, rule: Gates, network: Network, generator: torch.Generator) -> None:
        self.rule, self.network, self.rate_factor = rule, network, rule.rate
        self._generator = generator
        self._places = {group.name: _places(network, group) for group in network.table.groups}
        sizes = {group.name: own_parameters(network, group) for group in network.table.groups}
        total = sum(sizes[name] * units for name, units in network.units.items())
        self._shares = [sizes[name] / total for name in network.units]
        start = math.log((1 - rule.droprate) / rule.droprate)
        self._log_alpha = {
            name: nn.Parameter(torch.full((units,), start, dtype=network.dtype, device=network.device))
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
        """Draw the noise of one training step: one number per gate."""
        for name, log_alpha in self._log_alpha.items():
            uniform = torch.rand(log_alpha.shape, generator=self._generator, dtype=torch.float64)
            self._noise[name] = uniform.clamp(1e-6, 1 - 1e-6).to(log_alpha)

    def penalty(self) -> Tensor:
        """Multiply the strength by the expected share of the units' own parameters behind open gates; a scalar."""
        open_ = [share * open_probability(a).sum() for share, a in zip(self._shares, self.parameters, strict=True)]
        return self.rule.strength * torch.stack(open_).sum()

    @torch.no_grad()
    def detach(self) -> dict[str, Tensor]:
        """Remove the hooks and fold the test-time gates into the network; returns log alpha (units,) by group."""
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
    """Divides a parameter's complete gradient by its running root mean square."""

    def __init__(self, parameter: Tensor) -> None:
        self.square, self.steps = torch.zeros_like(parameter), 0

    def __call__(self, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self.steps += 1
            self.square.lerp_(parameter.grad.square(), 1 - DECAY)
            parameter.grad /= (self.square / (1 - DECAY**self.steps)).sqrt() + 1e-12


def _spread(gate: Tensor, positions: Tensor, like: Tensor) -> Tensor:
    """Give the factor of every channel, (channels,); one for channels of no unit. positions: (units, k)."""
    where = positions.to(gate.device)
    return gate.new_ones(like.shape[0]).index_put((where,), gate[:, None].expand(where.shape))


def _places(network: Network, group: Group) -> dict[str, Tensor]:
    """Give the layers whose outputs the group's gates multiply, with the units' positions (units, k) in each."""
    owned = {network.table.norm[layer] for layer in group.producers if layer in network.table.norm}
    places = {}
    for part in group.slices:
        module = network.layer(part.layer)
        if isinstance(module, NORMS) and part.layer not in owned:
            raise CellError(
                f"gates are not supported before BatchNorm '{part.layer}', which does not directly follow their layer"
            )
        if isinstance(module, RESCALING) or (hasattr(module, "running_mean") and not isinstance(module, NORMS)):
            raise CellError(f"gates are not supported before '{part.layer}', which divides by the size of its input")
        if isinstance(module, ChannelPad) and part.side == "out":
            places[part.layer] = network.positions(group, part.layer)
    for layer in group.producers:
        if layer in network.table.depthwise.values():
            continue  # only a depthwise convolution reads these units; the gate stands after that convolution
        place = network.table.norm.get(layer, layer)
        if network.layer(place).weight is None:
            raise CellError(f"gates cannot be folded into BatchNorm '{place}', which needs affine=True")
        places[place] = network.positions(group, layer)
    return places
