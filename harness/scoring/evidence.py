"""Evidence: what score functions ask for, gathered over one calibration batch with forward hooks.

The network runs in eval mode: BatchNorm uses and keeps its running statistics, dropout is off. In-place operations
further on must not change what is kept: modules (ReLU) work out of place meanwhile, and where something else changes it
(`x += shortcut`) the pass is repeated, and layers pass on a copy.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.curvature.diagonals import diagonals
from prunebench.curvature.kinds import Curvature
from prunebench.errors import CellError
from prunebench.plugins.criterion import EVIDENCE
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Group, Network, weight_of
from prunebench.pruning.tracing import NORMS

Evidence = dict[str, Tensor]
Seen = dict[str, Evidence]
Hook = Callable[[nn.Module, Any, Tensor], Tensor | None]
PARAMETER = {"grad": "weight", "bias_grad": "bias"}
GRADIENT_OF = {"output_grad": "output", "normed_grad": "normed", "activation_grad": "activation"}
NORMED = frozenset({"normed", "normed_grad"})
ACTIVATION = frozenset({"activation", "activation_grad"})
GATED = frozenset({"normed", "normed_grad", "grad", "bias_grad", "output_grad"})  # changes of the loss are made of


def gather(
    network: Network,
    names: frozenset[str],
    batch: tuple[Tensor, Tensor],
    generator: torch.Generator,
    curvature: Curvature | None = None,
) -> dict[str, Evidence]:
    """Give the evidence of one batch for every layer that has units of a group; shapes as in `criterion.EVIDENCE`.

    `normed` and `activation` also of shortcuts that pad (`ChannelPad`): they write units of their groups, too.
    Only what is asked for is computed. Weights, gradients, modes, hooks and the global random state are left as they
    were, even after an error. Raises `CellError` for a layer that does not run exactly once.

    Args:
        network: dense or already pruned.
        names: of the evidence; `generator` is not evidence of a layer, and `input_norm` none of one batch
            (`inputs.input_norms`): they are left out.
        batch: pictures (batch, channels, height, width), normalised, and labels (batch,).
        generator: for random curvatures.
        curvature: which diagonal `curvature` is.
    """
    layers = producers(network)
    evidence = {layer: constant(network, layer, names) for layer in layers}
    passes = {EVIDENCE[name] for name in names} - {"none"}
    if not passes:
        return evidence
    seen: Seen = {layer: {} for layer in layers}
    images, labels = batch[0].detach().to(network.device, network.dtype), batch[1].to(network.device)
    with undisturbed(network.model):
        if passes - {"curvature"}:
            _first_order(network, names, images, labels, seen, evidence)
        if "curvature" in passes:
            network.model.requires_grad_(False)
            with torch.enable_grad():
                found = diagonals(network, layers, (images, labels), generator, curvature)
            for layer, pair in found.items():
                evidence[layer] |= zip(("curvature", "bias_curvature"), pair, strict=True)
    for layer, kept in seen.items():
        values = kept | evidence.get(layer, {})
        evidence[layer] = {name: _show(network.layer(layer), name, values[name]) for name in names & values.keys()}
    return evidence


def producers(network: Network) -> list[str]:
    """Names of the layers whose output units are in a group, each once, in the order of the table."""
    return list(dict.fromkeys(layer for group in network.table.groups for layer in group.producers))


def pads(network: Network, group: Group) -> list[str]:
    """Names of the shortcuts without parameters that write units of a group."""
    outs = dict.fromkeys(piece.layer for piece in group.slices if piece.side == "out")
    return [name for name in outs if isinstance(network.layer(name), ChannelPad)]


def normaliser(network: Network, layer: str) -> str:
    """Name the module whose output is `normed`: the BatchNorm that follows a layer, or the layer itself.

    It is the layer itself, too, where a BatchNorm that belongs to no layer reads the same units (DenseNet).
    """
    owned = set(network.table.norm.values())
    for group in network.table.groups:
        read = {piece.layer for piece in group.slices if isinstance(network.layer(piece.layer), NORMS)}
        if layer in group.producers and read - owned:
            return layer
    return network.table.norm.get(layer, layer)


def behind(network: Network, layer: str) -> tuple[str, int]:
    """Name the module whose output is `feature_map`: the end of a layer's chain, or what a stream goes through next.

    With the number of its call, 0 for the first after the layer ran.
    """
    tail = network.table.tail.get(layer, layer), 0
    if any(layer in group.producers and _writers(network, group) > 1 for group in network.table.groups):
        return network.table.joined.get(layer, tail)
    return tail


def _writers(network: Network, group: Group) -> int:
    """Count what writes a group's units, shortcuts that pad and depthwise convolutions with others beside them, too."""
    passing = {layer for layer, read in network.table.depthwise.items() if read}
    return len({*group.producers, *pads(network, group)} - passing)


def constant(network: Network, layer: str, names: frozenset[str]) -> Evidence:
    """Give the evidence that needs no data, of one layer."""
    weight, bias = weight_of(network, layer), network.layer(layer).bias
    units = weight.shape[0]
    makers: dict[str, Callable[[], Tensor]] = {
        "weight": lambda: weight.flatten(1),
        "bias": lambda: bias.detach() if isinstance(bias, Tensor) else weight.new_zeros(units),
        "gamma": lambda: _gamma(network, layer, weight),
        "gate": lambda: _gate(network, layer, weight),
    }
    return {name: make() for name, make in makers.items() if name in names}


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Run in eval mode with all parameters frozen; modes, gradients and the global random state come back."""
    modes = [(module, module.training) for module in model.modules()]
    states = [(parameter, parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    devices = sorted({p.device.index or 0 for p, _, _ in states if p.device.type == "cuda"})
    try:
        with torch.random.fork_rng(devices):
            model.eval().requires_grad_(False)
            model.zero_grad(set_to_none=True)
            yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, wanted, gradient in states:
            parameter.requires_grad_(wanted).grad = gradient


def _gamma(network: Network, layer: str, weight: Tensor) -> Tensor:
    norm = network.table.norm.get(layer)
    gamma = network.layer(norm).weight if norm else None
    return gamma.detach() if isinstance(gamma, Tensor) else weight.new_ones(weight.shape[0])


def _gate(network: Network, layer: str, weight: Tensor) -> Tensor:
    gate = weight.new_zeros(weight.shape[0])
    for group in network.table.groups:
        if layer in group.producers:
            if group.name not in network.gates:
                raise CellError(f"layer '{layer}' has no gates; a score by gates comes after a training with them")
            positions = network.positions(group, layer)
            gate[positions] = network.gates[group.name].to(gate)[:, None].expand(positions.shape)
    return gate


def _first_order(
    network: Network,
    names: frozenset[str],
    images: Tensor,
    labels: Tensor,
    seen: Seen,
    evidence: dict[str, Evidence],
) -> None:
    """One forward pass and, for gradients, one backward pass of the summed loss."""
    backwards = bool(names & (PARAMETER.keys() | GRADIENT_OF.keys()))
    for layer in seen if names & PARAMETER.keys() else ():
        network.layer(layer).requires_grad_(True)
    images = images.detach().requires_grad_(bool(names & GRADIENT_OF.keys()))
    with torch.set_grad_enabled(backwards):
        with _out_of_place(network.model):
            logits, changed = _forward(network, names, images, seen, copied=False)
            if changed:
                logits, _ = _forward(network, names, images, seen, copied=True)
        _check_ran(seen, names)
        if backwards:
            _gradients(network, names, F.cross_entropy(logits, labels, reduction="sum"), len(labels), seen, evidence)


class _Keeper:
    """Makes the forward hooks that keep what passes. copied: whether what comes after is given a copy."""

    def __init__(self, copied: bool) -> None:
        self._copied = copied
        self._versions: list[tuple[Tensor, int]] = []

    @property
    def changed(self) -> bool:
        """Tell whether something that was kept has been changed in place since."""
        return any(tensor._version != version for tensor, version in self._versions)

    def output(self, layer: str, seen: Evidence) -> Hook:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            if "output" in seen:
                raise CellError(f"layer '{layer}' runs more than once in a forward pass; its evidence would be mixed")
            return self._keep(seen, output, "output")

        return hook

    def named(self, seen: Evidence, *names: str) -> Hook:
        return lambda module, inputs, output: self._keep(seen, output, *names)

    def first(self, seen: Evidence, name: str) -> Hook:
        """Keep a module's first output after the layer ran: one ReLU module may serve several layers."""

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            wanted = "output" in seen and name not in seen
            return self._keep(seen, output, name) if wanted else None

        return hook

    def call(self, seen: Evidence, name: str, number: int) -> Hook:
        """Keep what one call of a module gives, counted from 1."""
        calls = count(1)

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
            return self._keep(seen, output, name) if next(calls) == number else None

        return hook

    def _keep(self, seen: Evidence, output: Tensor, *names: str) -> Tensor:
        seen.update(dict.fromkeys(names, output))
        self._versions.append((output, output._version))
        return output.clone() if self._copied else output


def _forward(network: Network, names: frozenset[str], images: Tensor, seen: Seen, copied: bool) -> tuple[Tensor, bool]:
    """Keep by layer what is not of parameters, of one forward pass; tell whether it changed afterwards."""
    for kept in seen.values():
        kept.clear()
    keeper = _Keeper(copied)
    with _watched(network, names, seen, keeper):
        logits: Tensor = network.model(images)
    return logits, keeper.changed


@contextmanager
def _out_of_place(model: nn.Module) -> Iterator[None]:
    modules = [module for module in model.modules() if vars(module).get("inplace") is True]
    try:
        for module in modules:
            vars(module)["inplace"] = False
        yield
    finally:
        for module in modules:
            vars(module)["inplace"] = True


@contextmanager
def _watched(network: Network, names: frozenset[str], seen: Seen, keeper: _Keeper) -> Iterator[None]:
    """Register the hooks of a keeper."""
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
            name, number = behind(network, layer)
            what = seen[layer], "feature_map"
            keep = keeper.call(*what, number) if number else keeper.first(*what)
            handles.append(network.layer(name).register_forward_hook(keep))
    for group in network.table.groups if names & (NORMED | ACTIVATION) else ():
        for pad in pads(network, group):
            seen[pad] = {}
            handles.append(network.layer(pad).register_forward_hook(keeper.named(seen[pad], "normed", "activation")))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _check_ran(seen: Seen, names: frozenset[str]) -> None:
    watched = "activations" in {EVIDENCE[name] for name in names}
    for layer, kept in seen.items():
        if watched and not kept:
            raise CellError(f"layer '{layer}' does not run in a forward pass")
        if (names & ACTIVATION and "activation" not in kept) or ("feature_map" in names and "feature_map" not in kept):
            raise CellError(f"the nonlinearity of layer '{layer}' does not run after it in a forward pass")


def _gradients(
    network: Network, names: frozenset[str], loss: Tensor, samples: int, seen: Seen, evidence: dict[str, Evidence]
) -> None:
    """One backward pass of the summed loss; the gradients of parameters are divided by the number of samples."""
    wanted: list[tuple[str, str, Tensor]] = []
    for layer in evidence:
        for name in sorted(names & PARAMETER.keys()):
            parameter = getattr(network.layer(layer), PARAMETER[name])
            if parameter is None:
                evidence[layer][name] = loss.new_zeros(len(weight_of(network, layer)))
            else:
                wanted.append((layer, name, parameter))
    for layer, kept in seen.items():
        flows = [(name, GRADIENT_OF[name]) for name in sorted(names & GRADIENT_OF.keys())]
        wanted += [(layer, name, kept[flow]) for name, flow in flows if flow in kept]
    tensors = [tensor for _, _, tensor in wanted]
    if loss.requires_grad:
        gradients = torch.autograd.grad(loss, tensors, allow_unused=True, materialize_grads=True)
    else:  # none of the layers runs
        gradients = tuple(torch.zeros_like(tensor) for tensor in tensors)
    for (layer, name, _), gradient in zip(wanted, gradients, strict=True):
        evidence.setdefault(layer, {})[name] = _mean(gradient, samples) if name in PARAMETER else gradient


def _mean(total: Tensor, samples: int) -> Tensor:
    """Divide a gradient and lay it out as (units, ...) row by row, at once: it comes in the order of channels_last."""
    mean = torch.div(total, samples, out=torch.empty(total.shape, dtype=total.dtype, device=total.device))
    return mean.flatten(1) if total.ndim > 1 else mean


def _show(module: nn.Module, name: str, value: Tensor) -> Tensor:
    """Without graph; what passes through a linear layer on sequences as (batch, units, positions...)."""
    if EVIDENCE[name] == "activations" and isinstance(module, nn.Linear):
        value = value.movedim(-1, 1)
    return value.detach()
