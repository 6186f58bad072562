"""Backends of timed networks: eager, channels_last, torch.compile, ONNX Runtime or OpenVINO."""

import copy

import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.exporting.onnx_file import RUNTIME, onnx_bytes, require_onnx, session
from prunebench.records.names import Backend
from prunebench.timing.latency import synchronised
from prunebench.timing.warming import Call


def runner(model: nn.Module, example: Tensor, backend: Backend) -> Call:
    """Return a call that runs the network once on the example (batch, channels, height, width).

    On a GPU the call returns when the work is done. Raises `UserError` where the backend is not installed.
    """
    model = copy.deepcopy(model).eval()
    if backend in EXPORTED:
        check_backend(backend)
        return EXPORTED[backend](model.cpu().to(memory_format=torch.contiguous_format), example.cpu())
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
    if backend in EXPORTED:
        require_onnx(f"--backend {backend}", RUNTIME if backend == "onnx" else backend)


def _onnx(model: nn.Module, example: Tensor) -> Call:
    running = session(onnx_bytes(model, example))
    inputs = {running.get_inputs()[0].name: example.numpy()}
    return lambda: running.run(None, inputs)


def _openvino(model: nn.Module, example: Tensor) -> Call:
    """Run the exported network by OpenVINO on the CPU, in float32 as torch does, with torch's number of threads."""
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(onnx_bytes(model, example)), "CPU", settings).create_infer_request()
    inputs = {0: example.numpy()}
    return lambda: request.infer(inputs)


EXPORTED = {"onnx": _onnx, "openvino": _openvino}  # run an ONNX file on the CPU, whatever the device
