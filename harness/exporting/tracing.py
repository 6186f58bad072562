"""The forward pass of a network as a graph: of its layers where they can be followed, else of torch's operations."""

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn

from prunebench.errors import CellError, reason
from prunebench.pruning.suitability import uncompiled

PLAIN = ("torch", "_operator", "operator", "builtins", "math")  # modules that an exported file may use


class _Tracer(fx.Tracer):
    """Follows modules down to those of `torch.nn`; buffers are named, not copied into the graph."""

    proxy_buffer_attributes = True

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Leave out stochastic depth, which returns its input in eval mode."""
        if type(m).__name__ == "StochasticDepth" and not m.training:
            return args[0]
        return super().call_module(m, forward, args, kwargs)


def plain_copy(model: nn.Module) -> nn.Module:
    """Copy a network to the CPU, in eval mode, contiguous, without gradients and `torch.compile`."""
    bare = uncompiled(copy.deepcopy(model)).cpu().to(memory_format=torch.contiguous_format).eval()
    return bare.requires_grad_(False)


def layers_graph(model: nn.Module) -> fx.GraphModule:
    """Follow a network's layers, in eval mode. Raises `CellError` where Python code depends on numbers or packages."""
    try:
        found = fx.GraphModule(model, _Tracer().trace(model))
    except Exception as error:
        raise CellError(f"its layers cannot be followed ({reason(error)})") from error
    for node in found.graph.nodes:
        home = getattr(node.target, "__module__", None) or "torch"
        if node.op == "call_function" and home.partition(".")[0] not in PLAIN:
            raise CellError(f"its forward pass calls {home}.{node.target.__name__}")
    return _tidied(found)


def operations_graph(model: nn.Module, pictures: Tensor) -> fx.GraphModule:
    """Follow torch's operations for any number of pictures. pictures: (batch >= 2, channels, height, width).

    Raises `CellError` where torch cannot export the network.
    """
    try:
        dynamic = ({0: torch.export.Dim.DYNAMIC},)
        program = torch.export.export(model, (pictures,), dynamic_shapes=dynamic, strict=False)
        found: Any = program.module(check_guards=False)
    except Exception as error:
        raise CellError(f"torch.export cannot follow it ({reason(error)})") from error
    found.graph.set_codegen(fx.graph.CodeGen())
    for node in found.graph.nodes:
        if node.op == "output" and isinstance(node.args[0], tuple | list):
            node.args = (node.args[0][0],)
    return _tidied(found)


def _tidied(found: fx.GraphModule) -> fx.GraphModule:
    """Drop types and what nothing reads; only `pictures` goes in."""
    for node in found.graph.nodes:
        node.type = None
    found.graph.eliminate_dead_code()
    found.recompile()
    return found
