"""Evidence: what score functions ask for, gathered over one calibration batch with forward hooks.

The network runs in eval mode: BatchNorm uses and keeps its running statistics, dropout is off. Later in-place
operations must not change a kept tensor. So modules such as ReLU work out of place meanwhile. If another operation
changes a kept tensor (`x += shortcut`), the pass is repeated, and layers pass on a copy.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.curvature.diagonals import diagonals
from prunebench.curvature.kinds import Curvature
from prunebench.errors import CellError
from prunebench.plugins.criterion import EVIDENCE
from prunebench.pruning.network import Network, weight_of
from prunebench.scoring.hooks import Evidence, Seen, check_ran, forward, out_of_place
from prunebench.scoring.places import producers, reading_norms

PARAMETER = {"grad": "weight", "bias_grad": "bias"}
GRADIENT_OF = {f"{name}_grad": name for name in ("output", "normed", "activation", "read")}
# What stands for a first-order change of the loss by a gate of each unit.
GATED = frozenset({"normed", "normed_grad", "activation", "activation_grad", "grad", "bias_grad", "output_grad"})


def gather(
    network: Network,
    names: frozenset[str],
    batch: tuple[Tensor, Tensor],
    generator: torch.Generator,
    curvature: Curvature | None = None,
) -> dict[str, Evidence]:
    """Return the evidence of one batch for every layer that writes units; shapes as in `criterion.EVIDENCE`.

    Shortcuts that pad (`ChannelPad`) write units too, so they also have `normed` and `activation`. `read` belongs to
    the layers that read units: (batch, inputs, positions...). Only the named evidence is computed. Weights, gradients,
    modes, hooks and the global random state are left as they were, even after an error. Raises `CellError` for a layer
    that does not run exactly once.

    Args:
        network: dense or already pruned.
        names: names of the evidence. `generator` and `input_norm` are left out: a generator belongs to no layer, and
            `inputs.input_norms` needs all batches.
        batch: pictures (batch, channels, height, width), normalised, and labels (batch,).
        generator: for random estimates of the curvature.
        curvature: the estimate that `curvature` holds.
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
            for layer, gradients in _first_order(network, names, (images, labels), seen).items():
                evidence.setdefault(layer, {}).update(gradients)
        if "curvature" in passes:
            network.model.requires_grad_(False)
            with torch.enable_grad():
                estimates = diagonals(network, layers, (images, labels), generator, curvature)
            for layer, pair in estimates.items():
                evidence[layer] |= zip(("curvature", "bias_curvature"), pair, strict=True)
    for layer, kept in seen.items():
        values = kept | evidence.get(layer, {})
        evidence[layer] = {name: _show(network.layer(layer), name, values[name]) for name in names & values.keys()}
    return evidence


def constant(network: Network, layer: str, names: frozenset[str]) -> Evidence:
    """Return the evidence of one layer that needs no data."""
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
    """Run in eval mode with frozen parameters; restore modes, gradients and the global random state at the end."""
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
    """Give the weights of the BatchNorm that a layer owns; else the largest |weight| among those that read the unit."""
    owned = _scale(network, network.table.norm.get(layer, ""))
    if owned is not None:
        return owned
    gamma = weight.new_ones(weight.shape[0])
    for group in network.table.groups if layer not in network.table.norm else ():
        scales = [(name, _scale(network, name)) for name in reading_norms(network, group)]
        parts = [scale.abs()[network.positions(group, name)] for name, scale in scales if scale is not None]
        if layer in group.producers and parts:
            gamma[network.positions(group, layer)] = torch.cat(parts, dim=1).amax(dim=1, keepdim=True)
    return gamma


def _scale(network: Network, norm: str) -> Tensor | None:
    """Give the weights of a BatchNorm, (channels,); None without a BatchNorm or without weights."""
    weight = network.layer(norm).weight if norm else None
    return weight.detach() if isinstance(weight, Tensor) else None


def _gate(network: Network, layer: str, weight: Tensor) -> Tensor:
    gate = weight.new_zeros(weight.shape[0])
    for group in network.table.groups:
        if layer in group.producers:
            if group.name not in network.gates:
                raise CellError(f"layer '{layer}' has no gates; a score of `gate` needs sparse training with gates")
            positions = network.positions(group, layer)
            gate[positions] = network.gates[group.name].to(gate)[:, None].expand(positions.shape)
    return gate


def _first_order(
    network: Network, names: frozenset[str], batch: tuple[Tensor, Tensor], seen: Seen
) -> dict[str, Evidence]:
    """Run one forward pass and, for gradients, one backward pass of the summed loss. Returns gradients by layer."""
    pictures, labels = batch
    backwards = bool(names & (PARAMETER.keys() | GRADIENT_OF.keys()))
    for layer in producers(network) if names & PARAMETER.keys() else ():
        network.layer(layer).requires_grad_(True)
    pictures = pictures.detach().requires_grad_(bool(names & GRADIENT_OF.keys()))
    with torch.set_grad_enabled(backwards):
        with out_of_place(network.model):
            logits, changed = forward(network, names, pictures, seen, copied=False)
            if changed:
                logits, _ = forward(network, names, pictures, seen, copied=True)
        check_ran(seen, names)
        if not backwards:
            return {}
        return _gradients(network, names, F.cross_entropy(logits, labels, reduction="sum"), len(labels), seen)


def _gradients(network: Network, names: frozenset[str], loss: Tensor, samples: int, seen: Seen) -> dict[str, Evidence]:
    """Run one backward pass of the summed loss. Gradients of parameters are divided by the number of samples."""
    by_layer: dict[str, Evidence] = {}
    wanted: list[tuple[str, str, Tensor]] = []
    for layer in producers(network):
        for name in sorted(names & PARAMETER.keys()):
            parameter = getattr(network.layer(layer), PARAMETER[name])
            if parameter is None:
                by_layer.setdefault(layer, {})[name] = loss.new_zeros(len(weight_of(network, layer)))
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
        by_layer.setdefault(layer, {})[name] = _mean(gradient, samples) if name in PARAMETER else gradient
    return by_layer


def _mean(total: Tensor, samples: int) -> Tensor:
    """Divide a gradient by the samples into contiguous (units, ...); the gradient may be in channels_last order."""
    mean = torch.div(total, samples, out=torch.empty(total.shape, dtype=total.dtype, device=total.device))
    return mean.flatten(1) if total.ndim > 1 else mean


def _show(module: nn.Module, name: str, value: Tensor) -> Tensor:
    """Detach a value. Activations of a linear layer on sequences become (batch, units, positions...)."""
    if EVIDENCE[name] == "activations" and isinstance(module, nn.Linear):
        value = value.movedim(-1, 1)
    return value.detach()
