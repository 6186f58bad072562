"""Hand each layer's input and output gradient to a function during the backward pass, then free them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.pruning.network import Network

Consume = Callable[[str, Tensor, Tensor], None]  # layer, its input, the gradient at its output
Pair = tuple[Tensor, Tensor]  # (units, fan_in) for a layer's weight and (units,) for its bias
Diagonals = dict[str, Pair]


class Sums:
    """Running sums of the weight's and the bias's diagonal for every layer."""

    def __init__(self, network: Network, layers: Sequence[str]) -> None:
        weights = {layer: network.model.get_parameter(f"{layer}.weight").detach() for layer in layers}
        self.layers = tuple(layers)
        self._sums = {layer: (torch.zeros_like(w.flatten(1)), w.new_zeros(len(w))) for layer, w in weights.items()}

    def add(self, layer: str, pair: Pair) -> None:
        """Add a pair to the sums of a layer."""
        for total, value in zip(self._sums[layer], pair, strict=True):
            total += value

    def mean(self, samples: int) -> Diagonals:
        """Divide the sums by the number of samples."""
        return {layer: (weight / samples, bias / samples) for layer, (weight, bias) in self._sums.items()}


@contextmanager
def tapped(network: Network, layers: Sequence[str], consume: Consume) -> Iterator[Tensor]:
    """Call `consume` for every layer when a backward pass reaches it. Parameters may be frozen; nothing is copied.

    Gives a zero tensor, the anchor, by which to differentiate. The anchor is added to the outputs of the first layers,
    so the backward pass ends there.

    Raises:
        CellError: a layer does not run exactly once, or its input is changed in place after it ran.
    """
    anchor = torch.zeros((), device=network.device, dtype=network.dtype, requires_grad=True)
    ran: set[str] = set()
    with ExitStack() as hooks:
        for name in layers:
            hooks.enter_context(network.layer(name).register_forward_hook(_tap(name, ran, anchor, consume)))
        yield anchor
    for name in layers:
        if name not in ran:
            raise CellError(f"layer '{name}' does not run in a forward pass")


def backward(outputs: Tensor, anchor: Tensor, cotangent: Tensor, again: bool = False) -> None:
    """Run one backward pass from `outputs`. again: keep the graph, since another backward pass follows."""
    torch.autograd.grad(outputs, anchor, cotangent, retain_graph=again, allow_unused=True)


def _tap(name: str, ran: set[str], anchor: Tensor, consume: Consume) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        if name in ran:
            raise CellError(f"layer '{name}' runs more than once in a forward pass; its evidence would be mixed")
        ran.add(name)
        given, version = inputs[0].detach(), inputs[0]._version

        def arrived(gradient: Tensor) -> None:
            if given._version != version:  # training would fail too: the weight's gradient needs this input
                raise CellError(f"the input of layer '{name}' is changed in place after the layer ran; change a copy")
            with torch.no_grad():
                consume(name, given, gradient)

        output = output if output.requires_grad else output + anchor
        output.register_hook(arrived)  # type: ignore[no-untyped-call]
        return output

    return hook
