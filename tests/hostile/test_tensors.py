"""Hostile weights: checkpoints and the tensors of a stage are read or refused in one line; nothing in them is run."""

import argparse
import io
import json
import pickle
import shutil
import struct
import warnings
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import save
from torch import Tensor, nn

from prunebench.checkpoints.loading import load_checkpoint
from prunebench.models.lenet5 import MODEL as LENET5
from prunebench.pruning.analysis import analyse
from prunebench.pruning.network import Network
from prunebench.pruning.removal import remove
from prunebench.study.networks import Origin, load_into, save as save_network

Make = Callable[..., Any]
DTYPES = (
    *("F64", "F32", "F16", "BF16", "I64", "I32", "I8", "U8", "U64", "BOOL", "C64", "F8_E4M3", "F8_E5M2"),
    *("F8_E8M0", "F4", "F6_E2M3", "F128", "", "f32"),
)
SIZES = (-1, 0, 1, 7, 2**31, 2**40, 2**63 - 1, 2**63, 2**64, 10**30, 0.5, "3", None)


class Small(nn.Module):
    """A network with every kind of tensor that a checkpoint treats by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)


def as_zip(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def as_old(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def repacked(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Change the members of an archive, with sums that are right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as given, zipfile.ZipFile(buffer, "w") as written:
        for name in given.namelist():
            written.writestr(name, change(name, given.read(name)))
    return buffer.getvalue()


def header(drawn: Any, content: bytes) -> bytes:
    """Edit the header of safetensors."""
    (length,) = struct.unpack("<Q", content[:8])
    data, tensors = json.loads(content[8 : 8 + length]), content[8 + length :]
    name = drawn.one_of(*data)
    match drawn.one_of("dtype", "shape", "offsets", "any", "length", "more"):
        case "dtype":
            data[name]["dtype"] = drawn.one_of(*DTYPES)
        case "shape":
            data[name]["shape"] = [drawn.one_of(*SIZES) for _ in range(drawn.draw(st.integers(0, 5)))]
        case "offsets":
            data[name]["data_offsets"] = [drawn.one_of(*SIZES, len(tensors)) for _ in range(2)]
        case "any":
            text = drawn.json(data)
            return struct.pack("<Q", len(text)) + text + tensors
        case "length":
            claimed = drawn.one_of(0, 1, length - 1, length + 8, 10**8, 10**8 + 1, 2**40, 2**63, 2**64 - 1)
            return struct.pack("<Q", claimed) + content[8:]
        case _:
            data[drawn.one_of("", "../x", "a\nb", "\ufffe", "é" * 1000, "__metadata__")] = data[name]
    text = json.dumps(data).encode()
    return struct.pack("<Q", len(text)) + text + tensors


SMALL = 2**20  # numbers in a tensor that is made here


def odd_tensors(one: Tensor) -> dict[str, Callable[[], Any]]:
    shape = one.shape if one.numel() < SMALL else (2,)  # an earlier edit may have stretched the tensor
    return {
        "stretched": lambda: torch.zeros(1).expand(2**40),
        "stretched to shape": lambda: torch.zeros(()).expand(shape),
        "empty": lambda: torch.empty(0),
        "sparse": lambda: torch.eye(3).to_sparse(),
        "quantised": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
        "meta": lambda: torch.empty(2**50, device="meta"),
        "complex": lambda: torch.ones(shape, dtype=torch.complex64),
        "float8": lambda: torch.ones(shape).to(torch.float8_e4m3fn),
        "unsigned": lambda: torch.ones(3).to(torch.uint16),
        "nan": lambda: torch.full(shape, float("nan")),
        "huge": lambda: torch.full(shape, 1e300, dtype=torch.float64),
        "negative": lambda: -torch.ones(shape),
        "bool": lambda: torch.ones(shape, dtype=torch.bool),
        "array": lambda: np.ones(3),
        "objects": lambda: np.array([None, {}], dtype=object),
        "foreign bytes": lambda: np.ones(3, dtype=">f4"),
        "text": lambda: "x" * 1000,
        "none": lambda: None,
        "network": lambda: nn.Linear(1, 1),
    }


KEYS = (0, -1, 10**5000, 0.5, None, "", "a\nb", "\ufffe", (1, 2), b"x", True, "state_dict", "model", "conv.weight")


def laughs(value: Any) -> Any:
    """A hundred million dicts in a small file."""
    for _ in range(5):
        value = {str(number): value for number in range(50)}
    return value


def content_of(drawn: Any, state: dict[str, Tensor]) -> Any:
    """Edit a state dict, and what is around it."""
    state = OrderedDict(state)
    for _ in range(drawn.draw(st.integers(1, 3))):
        name = drawn.one_of(*(one for one in state if isinstance(one, str)))
        odd = odd_tensors(state[name] if isinstance(state[name], Tensor) else torch.ones(2))
        value = odd[drawn.one_of(*odd)]()
        match drawn.one_of("put", "beside", "parts", "norm", "drop", "key"):
            case "put":
                state[name] = value
            case "beside":
                state[f"{name}{drawn.one_of('_orig', '_mask', '_g', '.x', '')}"] = value
            case "parts":
                state[f"{name}_orig"], state[f"{name}_mask"] = state.pop(name), value
            case "norm":
                state[f"{name}_g"], state[f"{name}_v"] = value, drawn.one_of(value, state.pop(name))
            case "key":
                state[drawn.one_of(*KEYS)] = value
            case _ if len(state) > 1:
                del state[name]
    match drawn.one_of("bare", "bare", "dict", "twice", "itself", "laughs", "list", "namespace", "default", "deep"):
        case "dict":
            return {drawn.one_of(*KEYS): state, "epoch": 3, "args": argparse.Namespace(lr=0.1)}
        case "twice":
            return {"model": state, "net": dict(state), "state_dict": {}}
        case "itself":
            state["again"] = state  # type: ignore[assignment]
        case "laughs":
            return {"model": state, "more": laughs(drawn.one_of({}, state))}
        case "list":
            return [state]
        case "namespace":
            return argparse.Namespace(state_dict=state)
        case "default":
            return defaultdict(dict, {"model": state})
        case "deep":
            found: Any = state
            for _ in range(200):
                found = {"a": found}
            return found
    return state


CALLS = (  # what a checkpoint may name
    *("collections OrderedDict", "collections defaultdict", "argparse Namespace", "types SimpleNamespace"),
    *("builtins dict", "builtins list", "builtins int", "builtins float", "builtins bytearray", "builtins set"),
    *("numpy dtype", "numpy ndarray", "numpy._core.multiarray scalar", "numpy._core.multiarray _reconstruct"),
    *("numpy.core.multiarray scalar", "numpy.core.multiarray _reconstruct", "_codecs encode", "pathlib PosixPath"),
    *("torch Size", "torch device", "torch Tensor", "torch FloatStorage", "torch float32", "torch.nn Parameter"),
    *("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter", "torch._utils _rebuild_sparse_tensor"),
    *("torch._utils _rebuild_meta_tensor_no_storage", "torch._utils _rebuild_qtensor", "os system", "builtins eval"),
)
SIMPLE = st.sampled_from(
    [None, 0, -1, 2**31, 2**62, 10**30, 10**400, 0.5, 1e308, "", "f4", "b", "V99999999999", "O", b"x"]
)


def program(drawn: Any) -> bytes:
    """Write pickle code that calls what may be called, with arguments that do not suit."""
    code = b"\x80\x02}"
    for number in range(drawn.draw(st.integers(1, 4))):
        code += pickle.dumps(f"key{number}", 2)[2:-1]
        code += b"c" + drawn.one_of(*CALLS).replace(" ", "\n").encode() + b"\n"
        arguments = drawn.draw(st.lists(SIMPLE | st.tuples(SIMPLE, SIMPLE) | st.lists(SIMPLE, max_size=3), max_size=4))
        code += b"("
        for one in arguments:
            code += pickle.dumps(one, 2)[2:-1]
            if not drawn.draw(st.integers(0, 5)):
                code += b"c" + drawn.one_of(*CALLS).replace(" ", "\n").encode() + b"\n"
        code += b"t" + drawn.one_of(b"R", b"R", b"\x81")
        if drawn.draw(st.booleans()):
            code += pickle.dumps(drawn.draw(SIMPLE | st.tuples(SIMPLE, SIMPLE, SIMPLE)), 2)[2:-1] + b"b"
        code += b"s"
    return code + b"."


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return dict(Small().state_dict())


def attacked(drawn: Any, state: dict[str, Tensor]) -> tuple[str, bytes]:
    match drawn.one_of("bytes", "header", "content", "content", "pickle", "program", "old program"):
        case "bytes":
            kind, made = drawn.one_of((".safetensors", save), (".pt", as_zip), (".pth", as_old))
            return kind, drawn.bytes_of(made(state))
        case "header":
            return ".safetensors", header(drawn, save(state))
        case "content":
            return ".pt", drawn.one_of(as_zip, as_old)(content_of(drawn, state))
        case "pickle":
            return ".pt", repacked(as_zip(state), lambda name, b: drawn.bytes_of(b) if name.endswith("data.pkl") else b)
        case "program":
            code = program(drawn)
            return ".pt", repacked(as_zip(state), lambda name, b: code if name.endswith("data.pkl") else b)
    return ".pt", as_old(state)[:-9] if drawn.draw(st.booleans()) else program(drawn)


def test_checkpoints_are_read_or_refused(
    attack: Make, bearing: Make, state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def body(drawn: Any) -> None:
        with warnings.catch_warnings(action="ignore"):  # of tensors that torch will not have for long
            ending, content = attacked(drawn, state)
        path = tmp_path / f"w{ending}"
        path.write_bytes(content)
        bearing(lambda: load_checkpoint(Small(), path, "small"))
        assert list(tmp_path.iterdir()) == [path]
        path.unlink()

    attack(body, share=2)


def test_the_tensors_of_a_stage_are_read_or_refused(attack: Make, bearing: Make, tmp_path: Path) -> None:
    dense = LENET5(1, 16, 10)
    table = analyse(dense, torch.zeros(1, 1, 16, 16), check=False)
    group = table.groups[0]
    network = Network.dense(dense, table)
    network.gates = {group.name: torch.ones(group.units)}
    network.pushed = {group.name: torch.ones(group.units, dtype=torch.bool)}
    network = remove(network, {group.name: torch.tensor([0])})
    save_network(network, tmp_path / "whole", Origin(model="lenet5", channels=1, size=16, classes=10))
    files = ("weights.safetensors", "gates.safetensors", "pushed.safetensors", "widths.json")
    load_into(dense, table, tmp_path / "whole")

    def body(drawn: Any) -> None:
        folder, name = tmp_path / "stage", drawn.one_of(*files)
        content = (tmp_path / "whole" / name).read_bytes()
        if name == "widths.json":
            content = drawn.json(json.loads(content))
        else:
            content = header(drawn, content) if drawn.draw(st.booleans()) else drawn.bytes_of(content)
        shutil.copytree(tmp_path / "whole", folder, dirs_exist_ok=True)
        (folder / name).write_bytes(content)
        bearing(lambda: load_into(dense, table, folder))

    attack(body)
