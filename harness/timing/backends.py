"""Backends of timed networks: eager, channels_last, torch.compile or ONNX Runtime."""

import copy

import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.exporting.onnx_file import onnx_bytes, require_onnx, session
from prunebench.records.names import Backend
from prunebench.timing.latency import synchronised
from prunebench.timing.warming import Call


def runner(model: nn.Module, example: Tensor, backend: Backend) -> Call:
    """Return a call that runs the network once on the example (batch, channels, height, width).

    On a GPU the call returns when the work is done. Raises `UserError` where the backend is not installed.
    """
    model = copy.deepcopy(model).eval()
    if backend == "onnx":
        return _onnx(model.cpu().to(memory_format=torch.contiguous_format), example.cpu())
    layout = torch.channels_last if backend == "channels_last" else torch.contiguous_format
    model, example = model.to(memory_format=layout), example.contiguous(memory_format=layout)
    module = _compiled(model, example) if backend == "compile" else model

    def call() -> Tensor:
        with torch.inference_mode():
            result: Tensor = module(example)
            return result

    return synchronised(call, example.device)


def _compiled(model: nn.Module, example: Tensor) -> nn.Module:
    """Compile a network and check that dynamo did so: after eight networks dynamo silently runs eagerly."""
    import torch._dynamo as dynamo

    dynamo.reset()
    counted = dynamo.utils.counters["stats"]["unique_graphs"]
    compiled = torch.compile(model)
    with torch.inference_mode():
        compiled(example)
    if dynamo.utils.counters["stats"]["unique_graphs"] <= counted:
        raise UserError("--backend compile: torch.compile ran this network eagerly; give --backend eager")
    return compiled  # type: ignore[return-value]


def check_backend(backend: str) -> None:
    """Raise `UserError` where a backend is not installed."""
    if backend == "onnx":
        require_onnx("--backend onnx")


def _onnx(model: nn.Module, example: Tensor) -> Call:
    check_backend("onnx")
    running = session(onnx_bytes(model, example))
    inputs = {running.get_inputs()[0].name: example.numpy()}
    return lambda: running.run(None, inputs)
