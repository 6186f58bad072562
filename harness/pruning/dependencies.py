"""Read the dependencies of units from torch-pruning's graph. No other file imports torch-pruning."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch_pruning as tp
from torch import Tensor, nn

from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Side
from prunebench.pruning.tracing import KINDS, NORMS, Trace, depthwise, trace

Pairs = list[tuple[int, int]]  # (position in a layer, unit that it belongs to)
Part = tuple[str, Side]


@dataclass
class Found:
    """The units of one layer, and the positions of all layers that belong to them.

    fixed: why the units must stay ("" if they need not); "output" for the network's output.
    """

    root: str
    units: int
    parts: dict[Part, Pairs] = field(default_factory=dict)
    fixed: str = ""


class _Graph(tp.DependencyGraph):  # type: ignore[misc]
    """A dependency graph without index mappings for reshapes that torch-pruning maps wrongly or fails at."""

    def _trace(self, *args: Any, **options: Any) -> dict[Any, Any]:
        nodes: dict[Any, Any] = super()._trace(*args, **options)
        for node in nodes.values():
            if isinstance(node.module, tp.ops._ReshapeOp) and not _keeps_channels(node.grad_fn):
                node.type = tp.ops.OPTYPE.ELEMENTWISE
        return nodes


def dependencies(model: nn.Module, pictures: Tensor, classes: int | None) -> tuple[Trace, list[Found], dict[str, str]]:
    """Find the positions of all layers that belong to the units of each layer.

    Layers whose units are tied to those of an earlier layer have no entry of their own. Returns the trace of the
    forward pass, the entries, and for every depthwise convolution the layer whose only reader it is ("" if none).

    Args:
        model: in eval mode, with all parameters trainable: torch-pruning silently leaves frozen ones out.
        pictures: (batch, channels, height, width); model and pictures may be on the meta device.
        classes: see `prunebench.pruning.tracing.trace`, whose `UserError` passes through.
    """
    traces: list[Trace] = []

    def forward(model: nn.Module, given: tuple[Tensor]) -> Tensor:
        seen, output = trace(model, given[0], classes)
        traces.append(seen)
        return output

    with torch.enable_grad():  # the two sides of a ChannelPad are independent, as in a convolution
        graph = _Graph().build_dependency(
            model, (pictures,), forward, customized_pruners={ChannelPad: tp.function.ConvPruner()}, verbose=False
        )
    order = traces[0].order
    names = {module: layer for layer, module in model.named_modules()}
    names |= {parameter: name for name, parameter in model.named_parameters()}
    entries = list(_roots(model, graph, names, order))
    layers = {name: model.get_submodule(name) for name in order}
    sole_readers = {name: _read_alone(graph, names, layer) for name, layer in layers.items() if depthwise(layer)}
    for node in graph.module2node.values():
        vars(node).clear()  # the nodes form a reference cycle that would keep the model and its activations alive
    return traces[0], entries, sole_readers


def _roots(model: nn.Module, graph: Any, names: Mapping[Any, str], order: Sequence[str]) -> Iterator[Found]:
    done: set[str] = set()
    for root in order:
        layer = model.get_submodule(root)
        if root not in done and not depthwise(layer):
            entry = _walk(graph, names, layer, root)
            done |= {layer for layer, side in entry.parts if side == "out"}
            yield entry


def _walk(graph: Any, names: Mapping[Any, str], layer: nn.Module, root: str) -> Found:
    """Follow the units of a layer through the graph. The same positions pass each node and operation once."""
    pruner = graph.get_pruner_of_module(layer)
    entry = Found(root, pruner.get_out_channels(layer))
    start = [tp._helpers._HybridIndex(idx=unit, root_idx=unit) for unit in range(entry.units)]
    stack, seen = [(graph.module2node[layer], pruner.prune_out_channels, start)], set()
    while stack:
        node, operation, pairs = stack.pop()
        key = (node, operation, tuple(pairs))
        if key in seen:
            continue
        seen.add(key)
        stop = _why_stop(node, names)
        if stop:
            entry.fixed = entry.fixed if entry.fixed == "output" else stop
            continue
        if isinstance(node.module, KINDS):
            side: Side = "out" if graph.is_out_channel_pruning_fn(operation) else "in"
            entry.parts.setdefault((names[node.module], side), []).extend(pairs)
        stack += [
            (dep.target, dep.handler, moved)
            for dep in node.dependencies
            if dep.is_triggered_by(operation) and (moved := _moved(dep.index_mapping, pairs))
        ]
    return entry


def _moved(mappings: Sequence[Callable[[Pairs], Pairs] | None], pairs: Pairs) -> Pairs:
    for mapping in mappings:
        pairs = mapping(pairs) if mapping is not None else pairs
    return pairs


def _why_stop(node: Any, names: Mapping[Any, str]) -> str:
    """Say why units cannot be followed beyond a node; "" if they can."""
    module, channels = node.module, getattr(node.grad_fn, "_saved_dim", 1) == 1
    if isinstance(module, tp.ops._OutputOp):
        return "output"
    if isinstance(module, tp.ops._ReshapeOp) and not _keeps_channels(node.grad_fn):
        return "a reshape that mixes channels"
    if isinstance(module, (tp.ops._SplitOp, tp.ops._UnbindOp, tp.ops._SliceOp)) and channels:
        return "a split of the channels"
    if _pads_channels(node.grad_fn):
        return "a padding of the channels"
    if type(module).__module__.startswith(tp.ops.__name__) or isinstance(module, KINDS):
        return ""
    kind = type(module).__name__
    return f"'{names[module]}' ({kind})" if module in names else f"a {kind}"


def _keeps_channels(grad_fn: Any) -> bool:
    """Tell whether a reshape keeps axis 1, flattens all axes after the batch, or belongs to a linear layer."""
    before, after = tuple(grad_fn._saved_self_sym_sizes), tuple(grad_fn._input_metadata[0].shape)
    flattens = len(after) == 2 and after[0] == before[0]
    linear = 2 in (len(before), len(after)) and before[-1] == after[-1]
    return before[:2] == after[:2] or flattens or linear


def _pads_channels(grad_fn: Any) -> bool:
    pads: tuple[int, ...] = getattr(grad_fn, "_saved_pad", ())  # from the last axis on, two each
    return bool(pads) and any(pads[2 * (len(grad_fn._input_metadata[0].shape) - 2) :])


def _read_alone(graph: Any, names: Mapping[Any, str], layer: nn.Module) -> str:
    """Find the layer whose output only this layer reads, through BatchNorm and elementwise functions; "" if none."""
    node = graph.module2node[layer]
    while len(node.inputs) == 1:
        node = node.inputs[0]
        if len(node.outputs) != 1:
            return ""
        if isinstance(node.module, nn.Conv2d | nn.Linear):
            return names[node.module]
        if not isinstance(node.module, (*NORMS, tp.ops._ElementWiseOp)):
            return ""
    return ""
