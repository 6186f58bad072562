"""Taps: what a layer was given and the gradient at its output, handed over during the backward pass and then freed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.pruning.network import Network

Consume = Callable[[str, Tensor, Tensor], None]  # layer, its input, the gradient at its output
Pair = tuple[Tensor, Tensor]  # (units, fan_in) and (units,): of a layer's weight and bias
Diagonals = dict[str, Pair]


class Sums:
    """Running sums of two diagonals for every layer."""

    def __init__(self, network: Network, layers: Sequence[str]) -> None:
        weights = {layer: network.model.get_parameter(f"{layer}.weight").detach() for layer in layers}
        self.layers = tuple(layers)
        self._sums = {layer: (torch.zeros_like(w.flatten(1)), w.new_zeros(len(w))) for layer, w in weights.items()}

    def add(self, layer: str, pair: Pair) -> None:
        """Add to the sums of a layer."""
        for total, value in zip(self._sums[layer], pair, strict=True):
            total += value

    def mean(self, samples: int) -> Diagonals:
        """Divide the sums by the number of samples."""
        return {layer: (weight / samples, bias / samples) for layer, (weight, bias) in self._sums.items()}


@contextmanager
def tapped(network: Network, layers: Sequence[str], consume: Consume) -> Iterator[Tensor]:
    """Call `consume` for every layer as a backward pass reaches it; parameters may be frozen, nothing is copied.

    Gives the tensor (a zero) to differentiate with respect to: it is added to what the first layers put out, so that
    the pass goes back to them and no further.

    Raises:
        CellError: a layer runs more than once, or not at all, or what it was given is changed in place afterwards.
    """
    anchor = torch.zeros((), device=network.device, dtype=network.dtype, requires_grad=True)
    ran: set[str] = set()
    handles = [network.layer(name).register_forward_hook(_tap(name, ran, anchor, consume)) for name in layers]
    try:
        yield anchor
        for name in layers:
            if name not in ran:
                raise CellError(f"layer '{name}' does not run in a forward pass")
    finally:
        for handle in handles:
            handle.remove()


def backward(outputs: Tensor, anchor: Tensor, cotangent: Tensor, again: bool = False) -> None:
    """Run one backward pass from `outputs`. again: whether another one over the same graph follows."""
    torch.autograd.grad(outputs, anchor, cotangent, retain_graph=again, allow_unused=True)


def _tap(name: str, ran: set[str], anchor: Tensor, consume: Consume) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if name in ran:
            raise CellError(f"layer '{name}' runs more than once in a forward pass; its evidence would be mixed")
        ran.add(name)
        given, version = inputs[0].detach(), inputs[0]._version

        def arrived(gradient: Tensor) -> None:
            if given._version != version:  # it could not be trained either: its weight's gradient needs the input
                raise CellError(f"what layer '{name}' was given is changed in place after it ran")
            with torch.no_grad():
                consume(name, given, gradient)

        output = output if output.requires_grad else output + anchor
        output.register_hook(arrived)  # type: ignore[no-untyped-call]
        return output

    return hook
