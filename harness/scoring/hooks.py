"""Forward hooks that keep the outputs of modules during one forward pass over a batch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

    def output(self, layer: str, seen: Evidence) -> Hook:
        """Keep a layer's own output. The hook raises `CellError` if the layer runs twice."""

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            if "output" in seen:
                raise CellError(f"layer '{layer}' runs more than once in a forward pass; its evidence would be mixed")
            return self._keep(seen, output, "output")

        return hook

    def named(self, seen: Evidence, *names: str) -> Hook:
        """Keep every output of a module under each of the names."""
        return lambda module, inputs, output: self._keep(seen, output, *names)

    def first(self, seen: Evidence, name: str) -> Hook:
        """Keep a module's first output after the layer ran; one ReLU module may serve several layers."""

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            wanted = "output" in seen and name not in seen
            return self._keep(seen, output, name) if wanted else None

        return hook

    def call(self, seen: Evidence, name: str, number: int) -> Hook:
        """Keep the output of one call of a module. number: of the call, from 1."""
        calls = count(1)

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            return self._keep(seen, output, name) if next(calls) == number else None

        return hook

    def _keep(self, seen: Evidence, output: Tensor, *names: str) -> Tensor:
        seen.update(dict.fromkeys(names, output))
        self._versions.append((output, output._version))
        return output.clone() if self._copied else output


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
    """Register the hooks of a keeper, and remove them at the end."""
    handles = []
    for layer in producers(network):
        if "activations" in {EVIDENCE[name] for name in names}:
            handles.append(network.layer(layer).register_forward_hook(keeper.output(layer, seen[layer])))
        if names & NORMED:
            place = network.layer(normaliser(network, layer))
            handles.append(place.register_forward_hook(keeper.named(seen[layer], "normed")))
        if names & ACTIVATION:
            tail = network.layer(network.table.tail.get(layer, layer))
            handles.append(tail.register_forward_hook(keeper.first(seen[layer], "activation")))
        if "feature_map" in names:
            name, number = feature_map_place(network, layer)
            kept, key = seen[layer], "feature_map"
            hook = keeper.call(kept, key, number) if number else keeper.first(kept, key)
            handles.append(network.layer(name).register_forward_hook(hook))
    for group in network.table.groups if names & (NORMED | ACTIVATION) else ():
        for pad in pads(network, group):
            seen[pad] = {}
            handles.append(network.layer(pad).register_forward_hook(keeper.named(seen[pad], "normed", "activation")))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def check_ran(seen: Seen, names: frozenset[str]) -> None:
    """Raise `CellError` for a layer, or a nonlinearity after a layer, that did not run in the forward pass."""
    watched = "activations" in {EVIDENCE[name] for name in names}
    for layer, kept in seen.items():
        if watched and not kept:
            raise CellError(f"layer '{layer}' does not run in a forward pass")
        if (names & ACTIVATION and "activation" not in kept) or ("feature_map" in names and "feature_map" not in kept):
            raise CellError(f"the nonlinearity of layer '{layer}' does not run after it in a forward pass")
