"""Backends of timed networks: eager, channels_last, torch.compile or ONNX Runtime."""

import copy
import logging
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from prunebench.errors import UserError
from prunebench.records.names import Backend
from prunebench.timing.latency import Call, synchronised


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
    absent = [name for name in ("onnx", "onnxruntime", "onnxscript") if find_spec(name) is None]
    if backend == "onnx" and absent:
        raise UserError(f"--backend onnx: {absent[0]} is not installed; pip install 'prunebench[onnx]'")


def _onnx(model: nn.Module, example: Tensor) -> Call:
    check_backend("onnx")
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter uses deprecated calls of its own
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(model, (example,), dynamo=True, verbose=False)
        assert program is not None
        file = Path(folder) / "network.onnx"
        program.save(str(file))
        content = file.read_bytes()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: example.numpy()}
    return lambda: session.run(None, inputs)
