"""Forward hooks that keep the outputs of modules during one forward pass over a batch."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from typing import Any

from torch import Tensor, nn

from prunebench.errors import CellError
from prunebench.plugins.criterion import EVIDENCE
from prunebench.pruning.network import Network
from prunebench.scoring.places import feature_map_place, normaliser, pads, producers

Evidence = dict[str, Tensor]
Seen = dict[str, Evidence]  # by layer
Hook = Callable[[nn.Module, Any, Tensor], Tensor | None]
NORMED = frozenset({"normed", "normed_grad"})
ACTIVATION = frozenset({"activation", "activation_grad"})


class Keeper:
    """Makes forward hooks that keep outputs. copied: whether later modules receive a copy of a kept output."""

    def __init__(self, copied: bool) -> None:
        self._copied = copied
        self._versions: list[tuple[Tensor, int]] = []

    @property
    def changed(self) -> bool:
        """Tell whether a kept output has since been changed in place."""
        return any(tensor._version != version for tensor, version in self._versions)

    def keep(self, seen: Evidence, *names: str, wanted: Callable[[], bool] = lambda: True) -> Hook:
        """Keep an output under each of the names, where `wanted` says so after a call of the module."""

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            if not wanted():
                return None
            seen.update(dict.fromkeys(names, output))
            self._versions.append((output, output._version))
            return output.clone() if self._copied else output

        return hook


def _once(layer: str, seen: Evidence) -> bool:
    """Want a layer's own output. Raises `CellError` if the layer runs twice."""
    if "output" in seen:
        raise CellError(f"layer '{layer}' runs more than once in a forward pass; its evidence would be mixed")
    return True


def _first(seen: Evidence, name: str) -> bool:
    """Want a module's first output after the layer ran; one ReLU module may serve several layers."""
    return "output" in seen and name not in seen


def _nth(calls: Iterator[int], number: int) -> bool:
    """Want the output of one call of a module. number: of the call, from 1."""
    return next(calls) == number


def forward(network: Network, names: frozenset[str], images: Tensor, seen: Seen, copied: bool) -> tuple[Tensor, bool]:
    """Run one forward pass that keeps outputs by layer. Returns the logits, and whether a kept output changed."""
    for kept in seen.values():
        kept.clear()
    keeper = Keeper(copied)
    with _watched(network, names, seen, keeper):
        logits: Tensor = network.model(images)
    return logits, keeper.changed


@contextmanager
def out_of_place(model: nn.Module) -> Iterator[None]:
    """Switch off `inplace` in all modules meanwhile, such as ReLU."""
    modules = [module for module in model.modules() if vars(module).get("inplace") is True]
    try:
        for module in modules:
            vars(module)["inplace"] = False
        yield
    finally:
        for module in modules:
            vars(module)["inplace"] = True


@contextmanager
def _watched(network: Network, names: frozenset[str], seen: Seen, keeper: Keeper) -> Iterator[None]:
    with ExitStack() as hooks:

        def keep(place: str, layer: str, *names: str, wanted: Callable[[], bool] = lambda: True) -> None:
            hook = keeper.keep(seen[layer], *names, wanted=wanted)
            hooks.enter_context(network.layer(place).register_forward_hook(hook))

        for layer in producers(network):
            kept = seen[layer]
            if "activations" in {EVIDENCE[name] for name in names}:
                keep(layer, layer, "output", wanted=partial(_once, layer, kept))
            if names & NORMED:
                keep(normaliser(network, layer), layer, "normed")
            if names & ACTIVATION:
                tail = network.table.tail.get(layer, layer)
                keep(tail, layer, "activation", wanted=partial(_first, kept, "activation"))
            if "feature_map" in names:
                place, number = feature_map_place(network, layer)
                wanted = partial(_nth, count(1), number) if number else partial(_first, kept, "feature_map")
                keep(place, layer, "feature_map", wanted=wanted)
        for group in network.table.groups if names & (NORMED | ACTIVATION) else ():
            for pad in pads(network, group):
                seen[pad] = {}
                keep(pad, pad, "normed", "activation")
        yield


def check_ran(seen: Seen, names: frozenset[str]) -> None:
    """Raise `CellError` for a layer, or a nonlinearity after a layer, that did not run in the forward pass."""
    watched = "activations" in {EVIDENCE[name] for name in names}
    for layer, kept in seen.items():
        if watched and not kept:
            raise CellError(f"layer '{layer}' does not run in a forward pass")
        if (names & ACTIVATION and "activation" not in kept) or ("feature_map" in names and "feature_map" not in kept):
            raise CellError(f"the nonlinearity of layer '{layer}' does not run after it in a forward pass")
