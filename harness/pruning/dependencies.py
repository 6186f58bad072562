"""Read the dependencies of units from torch-pruning's graph. No other file imports torch-pruning."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.pruning.copies import twin
from prunebench.pruning.kinds import KINDS, LAYERS, NORMS, channel_axis, depthwise, own_tensors
from prunebench.pruning.layers import ChannelPad
from prunebench.pruning.network import Side
from prunebench.pruning.shapes import concatenated, flattened, keeps_channels, pads_channels
from prunebench.pruning.suitability import unfollowed
from prunebench.pruning.tracing import Trace, check_alone, trace

_timm = sys.modules.setdefault("timm", None)  # type: ignore[arg-type]  # only counts MACs there; takes seconds
import torch_pruning as tp  # noqa: E402

if _timm is None:
    del sys.modules["timm"]

Pairs = list[tuple[int, int]]  # (position in a layer, unit that it belongs to)
Part = tuple[str, Side]
_Flatten = tp.dependency.index_mapping._FlattenIndexMapping
_Concat = tp.dependency.index_mapping._ConcatIndexMapping


@dataclass
class Found:
    """The units of one layer, and the positions of all layers that belong to them.

    parts: lists of pairs, by layer and side; equal lists are one object.
    fixed: why the units must stay ("" if they need not); "output" for the network's output.
    """

    root: str
    units: int
    parts: dict[Part, list[Pairs]] = field(default_factory=dict)
    fixed: str = ""


class _Graph(tp.DependencyGraph):  # type: ignore[misc]
    """A dependency graph whose reshapes and concatenations are mapped by the shapes that autograd knows.

    torch-pruning infers these shapes from neighbours, and is wrong or fails where it cannot.
    """

    def _trace(self, *args: Any, **options: Any) -> dict[Any, Any]:
        nodes: dict[Any, Any] = super()._trace(*args, **options)
        for node in nodes.values():
            if isinstance(node.module, tp.ops._ReshapeOp):
                node.type = tp.ops.OPTYPE.ELEMENTWISE
            elif isinstance(node.module, tp.ops._ConcatOp):
                node.module.concat_sizes = [1] * len(node.inputs)  # a stand-in, so that nothing is inferred
        return nodes

    def build_dependency(self, *args: Any, **options: Any) -> "_Graph":
        super().build_dependency(*args, **options)
        for node in self.module2node.values():
            if isinstance(node.module, tp.ops._ReshapeOp) and (stride := flattened(node.grad_fn)) > 1:
                self._map(node, 0, [partial(_Flatten, stride)] * len(node.inputs))
            elif isinstance(node.module, tp.ops._ConcatOp):
                ends = concatenated(node.grad_fn, [parameter for parameter, _ in self.unwrapped_parameters])
                self._map(node, 1, [partial(_Concat, end) for end in ends])
        return self

    @staticmethod
    def _map(node: Any, slot: int, mappings: Sequence[Callable[[bool], Any]]) -> None:
        """Set the index mapping between a node and each of its inputs. A mapping is made for a direction."""
        used: list[Any] = []
        for given, mapping in zip(node.inputs, mappings, strict=True):
            for source, target, reverse in ((node, given, True), (given, node, False)):
                dep = next(d for d in source.dependencies if d.target is target and not any(d is u for u in used))
                dep.index_mapping[slot] = mapping(reverse)
                used.append(dep)


class _Channelwise(tp.function.BatchnormPruner):  # type: ignore[misc]
    """Lets units pass through modules that work on each channel alone."""

    def __init__(self, channels: Mapping[nn.Module, int]) -> None:
        super().__init__()
        self._channels = channels

    def get_out_channels(self, layer: nn.Module) -> int | None:
        return self._channels.get(layer)

    get_in_channels = get_out_channels


@dataclass(frozen=True, eq=False)
class _Walk:
    """What a walk through the graph needs to know.

    names: of modules and parameters. channelwise: modules that seem to work on each channel alone.
    stops: modules whose units cannot be followed, each with the reason.
    """

    graph: Any
    names: Mapping[Any, str]
    channelwise: frozenset[str]
    stops: Mapping[str, str]


def dependencies(model: nn.Module, pictures: Tensor, classes: int | None) -> tuple[Trace, list[Found], dict[str, str]]:
    """Find the positions of all layers that belong to the units of each layer.

    Layers whose units are tied to those of an earlier layer have no entry of their own. Returns the trace of the
    forward pass, the entries, and for every depthwise convolution the layer whose only reader it is ("" if none).

    Args:
        model: in eval mode, with all parameters trainable: torch-pruning silently leaves frozen ones out. Modules that
            work on each channel alone are replaced by copies of their input.
        pictures: (batch, channels, height, width); model and pictures may be on the meta device.
        classes: see `prunebench.pruning.tracing.trace`, whose `UserError` passes through.
    """
    with torch.enable_grad():
        before = _buffers(model)
        seen = trace(model, pictures, classes)
        if seen.strangers:
            _check_own(seen.strangers, trace(twin(model, Tensor.clone), pictures).strangers)
        after = _buffers(model)
        fixed = {name for name, (buffer, version) in before.items() if _is_same(after.get(name), buffer, version)}
        check_alone(model, pictures[:1].detach().clone(), classes)
        seen.stops = unfollowed(model, seen.calls)
        _stand_in(model, seen, fixed)
        channels = {model.get_submodule(name): width for name, width in seen.channelwise.items()}
        kinds = {type(module) for module in channels if not isinstance(module, NORMS)}
        # The two sides of a ChannelPad are independent, as in a convolution.
        pruners: dict[type, Any] = {
            ChannelPad: tp.function.ConvPruner(),
            **dict.fromkeys(kinds, _Channelwise(channels)),
        }
        pictures = pictures.detach().requires_grad_()  # so that a concatenation with the pictures shows their channels
        graph = _Graph().build_dependency(model, (pictures,), customized_pruners=pruners, verbose=False)
    for name in seen.order:
        if model.get_submodule(name) not in graph.module2node:
            seen.stops[name] = (
                "has no gradient: the output does not use it, or uses it under no_grad, or behind detach or argmax"
            )
    names = {module: layer for layer, module in model.named_modules()}
    names |= {parameter: name for name, parameter in model.named_parameters()}
    walk = _Walk(graph, names, frozenset(seen.channelwise), seen.stops)
    entries = list(_roots(model, walk, seen.order))
    layers = {name: model.get_submodule(name) for name in seen.order if name not in seen.stops}
    sole_readers = {name: _read_alone(graph, names, layer) for name, layer in layers.items() if depthwise(layer)}
    for node in graph.module2node.values():
        vars(node).clear()  # the nodes form a reference cycle that would keep the model and its activations alive
    return seen, entries, sole_readers


def _check_own(strangers: Collection[Tensor], of_a_copy: Collection[Tensor]) -> None:
    """Raise `UserError` for a tensor that a network and its copy both read: neither removal nor training reaches it."""
    for tensor in strangers:
        if any(tensor is other for other in of_a_copy):
            what = f"it reads a trainable tensor, {tuple(tensor.shape)}, that its copies do not get"
            how = "as through a lambda, a hook, a class attribute or a global name"
            cure = "write a method, and make what it reads an attribute of a module"
            raise UserError(f"{what}, {how}; {cure}")


def _buffers(model: nn.Module) -> dict[str, tuple[Tensor, int]]:
    """Give all buffers by name, each with its version, which writing in place changes."""
    named = model.named_buffers(remove_duplicate=False)
    return {name: (buffer, 0 if buffer.is_inference() else buffer._version) for name, buffer in named}


def _is_same(found: tuple[Tensor, int] | None, buffer: Tensor, version: int) -> bool:
    return found is not None and found[0] is buffer and found[1] == version


def _stand_in(model: nn.Module, seen: Trace, fixed: Collection[str]) -> None:
    """Replace the modules that work on each channel alone by copies of their input, which the graph shows as one node.

    Those whose tensors have one entry vanish: nothing in them depends on the units. Other buffers with one entry for
    each channel become parameters, if they are fixed: no forward pass may write a parameter.

    fixed: names of buffers.
    """
    for name in list(seen.channelwise):
        module = model.get_submodule(name)
        module.forward = torch.clone
        if own_tensors(module) and all(tensor.numel() == 1 for tensor in own_tensors(module).values()):
            del seen.channelwise[name]
            for parent in model.modules():
                parent._modules.update({k: nn.Identity() for k, child in parent._modules.items() if child is module})
    for name, module in model.named_modules():
        if not isinstance(module, KINDS) and name not in seen.channelwise:
            where = {key: f"{name}.{key}".lstrip(".") for key in module._buffers}
            for key in [k for k, tensor in module._buffers.items() if where[k] in fixed and _bare(tensor)]:
                module._parameters[key] = nn.Parameter(module._buffers.pop(key))  # the graph shows parameters alone


def _bare(tensor: Tensor | None) -> bool:
    return tensor is not None and tensor.is_floating_point() and channel_axis(tensor) is not None


def _roots(model: nn.Module, walk: _Walk, order: Sequence[str]) -> Iterator[Found]:
    done: set[str] = set()
    for root in order:
        layer = model.get_submodule(root)
        if root not in done and root not in walk.stops and not depthwise(layer):
            entry = _follow(walk, layer, root)
            done |= {layer for layer, side in entry.parts if side == "out"}
            yield entry


def _follow(walk: _Walk, layer: nn.Module, root: str) -> Found:
    """Follow the units of a layer through the graph. The same positions pass each node and operation once."""
    graph = walk.graph
    pruner = graph.get_pruner_of_module(layer)
    entry = Found(root, pruner.get_out_channels(layer))
    start = list(map(tp._helpers._HybridIndex, range(entry.units), range(entry.units)))
    known = {tuple(start): start}  # so that equal positions are one object
    stack, seen = [(graph.module2node[layer], pruner.prune_out_channels, start)], set()
    while stack:
        node, operation, pairs = stack.pop()
        key = (node, operation, id(pairs))
        if key in seen:
            continue
        seen.add(key)
        stop = _why_stop(node, pairs, walk)
        if stop:
            entry.fixed = entry.fixed if entry.fixed == "output" else stop
            continue
        if _has_positions(node.module, walk):
            side: Side = "out" if graph.is_out_channel_pruning_fn(operation) else "in"
            entry.parts.setdefault((walk.names[node.module], side), []).append(pairs)
        stack += [
            (dep.target, dep.handler, moved)
            for dep in node.dependencies
            if dep.is_triggered_by(operation) and (moved := _moved(dep.index_mapping, pairs, known))
        ]
    return entry


def _has_positions(module: Any, walk: _Walk) -> bool:
    return isinstance(module, (*KINDS, nn.Parameter)) or walk.names.get(module) in walk.channelwise


def _moved(
    mappings: Sequence[Callable[[Pairs], Pairs] | None], pairs: Pairs, known: dict[tuple[tuple[int, int], ...], Pairs]
) -> Pairs:
    for mapping in mappings:
        if mapping is not None:
            pairs = mapping(pairs)
            pairs = known.setdefault(tuple(pairs), pairs)
    return pairs


def _why_stop(node: Any, pairs: Pairs, walk: _Walk) -> str:
    """Say why units cannot be followed beyond a node; "" if they can."""
    module, channels = node.module, getattr(node.grad_fn, "_saved_dim", 1) == 1
    name = walk.names.get(module, "")
    if name in walk.stops:
        return f"'{name}', which {walk.stops[name]}"
    if isinstance(module, tp.ops._OutputOp):
        return "output"
    if isinstance(module, tp.ops._ReshapeOp) and not keeps_channels(node.grad_fn):
        return "a reshape that mixes channels"
    selects = getattr(node.grad_fn, "name", str)().startswith("SelectBackward")
    if channels and (selects or isinstance(module, (tp.ops._SplitOp, tp.ops._UnbindOp, tp.ops._SliceOp))):
        return "a split of the channels"
    if pads_channels(node.grad_fn):
        return "a padding of the channels"
    if isinstance(module, nn.Parameter):
        axis = channel_axis(module)
        fits = axis is not None and max(position for position, _ in pairs) < module.shape[axis]
        return "" if fits else f"'{name}' (Parameter)"
    if type(module).__module__.startswith(tp.ops.__name__) or _has_positions(module, walk):
        return ""
    kind = type(module).__name__
    return f"'{name}' ({kind})" if name else f"a {kind}"


def _read_alone(graph: Any, names: Mapping[Any, str], layer: nn.Module) -> str:
    """Find the layer whose output only this layer reads, through BatchNorm and elementwise functions; "" if none."""
    node = graph.module2node[layer]
    while len(node.inputs) == 1:
        node = node.inputs[0]
        if len(node.outputs) != 1:
            return ""
        if isinstance(node.module, LAYERS):
            return names[node.module]
        if not isinstance(node.module, (*NORMS, tp.ops._ElementWiseOp)):
            return ""
    return ""
