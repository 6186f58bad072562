"""Writes the graph of a network as a plain Python file that needs torch and safetensors alone."""

import json
import re
from collections.abc import Sequence
from operator import attrgetter

import torch
from torch import Tensor, fx, nn

from prunebench.errors import CellError, kind_of

FILE = '''\
"""{title}

This file and weights.safetensors are the network. They need torch and safetensors alone.

    from network import load, prepare

    network = load()
    scores = network(prepare(pictures))  # {what} -> (batch, {classes})
"""

{imports}


class Network(nn.Module):
    """The network; its weights come from `load`."""

    def __init__(self) -> None:
        super().__init__()
        parts = {{
{parts}
        }}
        for name, part in parts.items():
            _place(self, name, part)

{forward}


def load(folder=Path(__file__).parent):
    """Build the network and read its weights; in eval mode, on the CPU."""
    network = Network()
    network.load_state_dict(load_file(Path(folder) / "weights.safetensors"))
    return network.eval()


MEAN, STD = {mean}, {std}  # of each channel, of pictures from 0 to 1


def prepare(pictures):
    """Normalise pictures, uint8 or from 0 to 1: {what}."""
    pictures = pictures / 255 if pictures.dtype == torch.uint8 else pictures
    mean, std = (torch.tensor(numbers, device=pictures.device).view(-1, 1, 1) for numbers in (MEAN, STD))
    return (pictures - mean) / std


def _place(root, name, part):
    """Put a layer or tensor at its dotted name."""
    *path, last = name.split(".")
    for step in path:
        if not hasattr(root, step):
            root.add_module(step, nn.Module())
        root = getattr(root, step)
    if isinstance(part, nn.Parameter):
        root.register_parameter(last, part)
    elif isinstance(part, torch.Tensor):
        root.register_buffer(last, part)
    else:
        root.add_module(last, part)
'''
_FREED = re.compile(r";  [\w =]+ = None$", re.MULTILINE)
_IMPORTS = ["from pathlib import Path", "", "import torch", "from safetensors.torch import load_file"]


def python_file(graph: fx.GraphModule, title: str, **facts: str) -> tuple[str, dict[str, Tensor]]:
    """Write a traced network as Python. Returns the text, and the tensors that belong to it by name.

    title: first line of the file. facts: what, classes, mean and std, as the file shows them. Raises
    `CellError` for a layer that the file could not rebuild.
    """
    layers: dict[str, nn.Module] = {}
    lines: dict[str, str] = {}
    tensors: dict[str, Tensor] = {}
    for node in graph.graph.nodes:
        name = str(node.target)
        if node.op == "call_module" and name not in layers:
            layers[name] = graph.get_submodule(name)
            lines[name] = _layer(layers[name])
            tensors |= {f"{name}.{key}": tensor for key, tensor in layers[name].state_dict().items()}
    for node in graph.graph.nodes:
        name = str(node.target)
        if node.op == "get_attr" and name not in tensors:
            tensors[name] = attrgetter(name)(graph)
            lines[name] = _tensor(tensors[name])
    parts = "\n".join(f"            {json.dumps(name)}: {line}," for name, line in lines.items())
    forward, imports = _forward(graph)
    text = FILE.format(title=title, parts=parts, forward=forward, imports="\n".join(imports), **facts)
    return text, {name: tensor.detach() for name, tensor in tensors.items()}


def _layer(layer: nn.Module) -> str:
    """Write the call that builds a layer of `torch.nn`."""
    text = "nn." + re.sub(r"padding=(same|valid)", r"padding='\1'", repr(layer))
    try:
        again = eval(text, {"nn": nn})
        same = repr(again) == repr(layer) and _shapes(again) == _shapes(layer)
    except Exception:  # it shows itself otherwise than it is built
        same = False
    if not same:
        raise CellError(f"{kind_of(layer)} cannot be written as a call")
    return text


def _shapes(layer: nn.Module) -> list[torch.Size]:
    return [tensor.shape for tensor in layer.state_dict().values()]


def _tensor(tensor: Tensor) -> str:
    bare = f"torch.empty({tuple(tensor.shape)}, dtype={tensor.dtype})"
    return f"nn.Parameter({bare})" if isinstance(tensor, nn.Parameter) else bare


def _forward(graph: fx.GraphModule) -> tuple[str, Sequence[str]]:
    """Write the method `forward`, and the imports of the file."""
    code = graph.graph.python_code("self")
    body = _FREED.sub("", code.src.strip()).rstrip()
    more = []
    for name, value in code.globals.items():
        if name != "torch" and re.search(rf"\b{name}\b", body):
            home = getattr(value, "__module__", None) or type(value).__module__
            if name in ("inf", "nan"):
                more.append(f"from math import {name}")
            elif home != "builtins":
                more.append(f"from {home} import {value.__name__} as {name}")
    first, *rest = (f"    {line}".rstrip() for line in body.splitlines())
    said = '        """Map pictures (batch, channels, height, width) to scores (batch, classes)."""'
    return "\n".join([first, said, *rest]), [*sorted(more), *_IMPORTS, "from torch import nn"]
