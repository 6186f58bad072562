"""ONNX: exports a network, checks the file with ONNX Runtime, and opens sessions for it."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prunebench.errors import CellError, UserError, reason

RUNTIME = "onnxruntime"
TOLERANCE = 1e-4  # of logits, as a share of the largest


def require_onnx(option: str, runtime: str = RUNTIME) -> None:
    """Raise `UserError` where a package that ONNX needs is not installed.

    option: what the user typed. runtime: package that runs the file.
    """
    if absent := absent_packages(runtime):
        extra = "onnx" if runtime == RUNTIME else runtime
        raise UserError(f"{option}: {absent[0]} is not installed; pip install 'prunebench[{extra}]'")


def absent_packages(runtime: str = RUNTIME) -> list[str]:
    """Name the packages that ONNX needs and that are not installed."""
    return [name for name in ("onnx", runtime, "onnxscript") if find_spec(name) is None]


def onnx_bytes(model: nn.Module, example: Tensor, any_batch: bool = False) -> bytes:
    """Export a network on the CPU. example: (batch, channels, height, width).

    any_batch: whether the file takes any number of pictures; then the example holds two or more.
    """
    dynamic = ({0: torch.export.Dim.DYNAMIC},) if any_batch else None
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")  # the exporter uses deprecated calls of its own
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            verbose=False,
            dynamic_shapes=dynamic,
            input_names=["pictures"],
            output_names=["scores"],
        )
        assert program is not None
        file = Path(folder) / "network.onnx"
        program.save(str(file))
        return file.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave out what the exporter says of its own work, such as the rules that it applied."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def session(content: bytes) -> Any:
    """Open a session of ONNX Runtime on the CPU, with torch's number of threads."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])


def write_onnx(model: nn.Module, pictures: Tensor, path: Path) -> None:
    """Write `path` for any number of pictures. pictures: (batch >= 2, channels, height, width).

    Raises `CellError` where the file gives other scores than the network, or the network cannot be exported.
    """
    require_onnx("--onnx")
    try:
        path.write_bytes(onnx_bytes(model, pictures, any_batch=True))
        running = session(path.read_bytes())
        for batch in (pictures, pictures[:1]):
            with torch.inference_mode():
                wanted = model(batch)
            found = torch.from_numpy(running.run(None, {"pictures": batch.numpy()})[0])
            check_equal(found, wanted, TOLERANCE, "the ONNX file")
    except CellError:
        raise
    except Exception as error:
        raise CellError(f"it cannot be exported to ONNX: {reason(error)}") from error


def check_equal(found: Tensor, wanted: Tensor, tolerance: float, what: str) -> None:
    """Raise `CellError` where scores differ by more than a share of the largest, or than the tolerance itself."""
    gap, limit = float((found - wanted).abs().max()), tolerance * max(1.0, float(wanted.abs().max()))
    if not gap <= limit:
        raise CellError(f"{what} gives other scores: they differ by {gap:.2g}")
