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
from prunebench.scoring.places import all_readers, feature_map, pads, producers

Evidence = dict[str, Tensor]
Seen = dict[str, Evidence]  # by layer
Hook = Callable[[nn.Module, Any, Tensor], Tensor | None]
PreHook = Callable[[nn.Module, Any, Any], tuple[Any, Any] | None]
NORMED = frozenset({"normed", "normed_grad"})
ACTIVATION = frozenset({"activation", "activation_grad"})
READ = frozenset({"read", "read_grad"})


class Keeper:
    """Makes hooks that keep outputs and inputs. copied: whether modules receive a copy of a kept tensor."""

    def __init__(self, copied: bool) -> None:
        self._copied = copied
        self._versions: list[tuple[Tensor, int]] = []

    @property
    def changed(self) -> bool:
        """Tell whether a kept tensor has since been changed in place."""
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

    def keep_input(self, seen: Evidence, name: str, wanted: Callable[[], bool]) -> PreHook:
        """Keep what a module reads. The module is given a view of its own, so the gradient is of this reader alone."""

        def hook(module: nn.Module, inputs: Any, named: Any) -> tuple[Any, Any] | None:
            if not wanted():
                return None
            given = inputs[0] if inputs else next(iter(named.values()))
            own = seen[name] = given.clone() if self._copied else given.view_as(given)
            self._versions.append((own, own._version))
            passed = own.clone() if self._copied else own
            return ((passed, *inputs[1:]), named) if inputs else ((), {**named, next(iter(named)): passed})

        return hook


def _once(layer: str, seen: Evidence, name: str) -> bool:
    """Want what a layer writes or reads. Raises `CellError` if the layer runs twice."""
    if name in seen:
        raise CellError(f"layer '{layer}' runs more than once in a forward pass; its evidence would be mixed")
    return True


def _first(seen: Evidence, name: str) -> bool:
    """Want a module's first output after the layer ran; one ReLU module may serve several layers."""
    return "output" in seen and name not in seen


def _nth(calls: Iterator[int], number: int) -> bool:
    """Want one call of a module. number: of the call, from 1."""
    return next(calls) == number


def forward(network: Network, names: frozenset[str], images: Tensor, seen: Seen, copied: bool) -> tuple[Tensor, bool]:
    """Run one forward pass that keeps tensors by layer. Returns the logits, and whether a kept tensor changed."""
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

        def keep_input(place: str, layer: str, name: str, wanted: Callable[[], bool]) -> None:
            hook = keeper.keep_input(seen[layer], name, wanted)
            hooks.enter_context(network.layer(place).register_forward_pre_hook(hook, with_kwargs=True))

        for layer in producers(network):
            kept = seen[layer]
            if "activations" in {EVIDENCE[name] for name in names}:
                keep(layer, layer, "output", wanted=partial(_once, layer, kept, "output"))
            if names & NORMED:
                keep(network.table.norm.get(layer, layer), layer, "normed")
            if names & ACTIVATION:
                tail = network.table.tail.get(layer, layer)
                keep(tail, layer, "activation", wanted=partial(_first, kept, "activation"))
            if "feature_map" in names:
                place, number, side = feature_map(network, layer)
                wanted = partial(_nth, count(1), number) if number else partial(_first, kept, "feature_map")
                (keep if side == "out" else keep_input)(place, layer, "feature_map", wanted=wanted)
        for group in network.table.groups if names & (NORMED | ACTIVATION) else ():
            for pad in pads(network, group):
                seen.setdefault(pad, {})
                keep(pad, pad, "normed", "activation")
        for reader in all_readers(network) if names & READ else ():
            keep_input(reader, reader, "read", partial(_once, reader, seen.setdefault(reader, {}), "read"))
        yield


def check_ran(seen: Seen, names: frozenset[str]) -> None:
    """Raise `CellError` for a layer, or a nonlinearity after a layer, that did not run in the forward pass."""
    watched = "activations" in {EVIDENCE[name] for name in names}
    for layer, kept in seen.items():
        if watched and not kept:
            raise CellError(f"layer '{layer}' does not run in a forward pass")
        lacking = (names & ACTIVATION and "activation" not in kept) or (names & {"feature_map"}) - kept.keys()
        if lacking and "output" in kept:
            raise CellError(f"the nonlinearity of layer '{layer}' does not run after it in a forward pass")
