"""The global states of torch and the global random states: how each is read and put back."""

import random
import sys
from contextlib import suppress
from functools import partial, reduce
from typing import Any

import numpy as np
import torch
from torch.nn.modules import module as nn_module
from torch.overrides import _pop_mode

from prunebench.plugins.process_states import State

Where = tuple[str, str]


def _numbers(generator: torch.Generator) -> bytes:
    return generator.get_state().cpu().numpy().tobytes()


def _put_numbers(generator: torch.Generator, state: bytes) -> None:
    generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def _numpy_numbers() -> tuple[Any, ...]:
    kind, keys, *rest = np.random.get_state()
    return kind, np.asarray(keys).tobytes(), *rest


def _put_numpy_numbers(state: tuple[Any, ...]) -> None:
    kind, keys, *rest = state
    np.random.set_state((kind, np.frombuffer(keys, dtype=np.uint32), *rest))


def _generator(name: str, generator: torch.Generator) -> State:
    return State(f"{name}'s global random state", partial(_numbers, generator), partial(_put_numbers, generator))


TORCH_NUMBERS = _generator("torch", torch.default_generator)
NUMBERS = (
    TORCH_NUMBERS,
    State("NumPy's global random state", _numpy_numbers, _put_numpy_numbers),
    State("Python's global random state", random.getstate, random.setstate),
)


def numbers_of(device: torch.device) -> tuple[State, ...]:
    """Return the random states that code on a device may draw from."""
    if device.type != "cuda":
        return NUMBERS
    index = torch.cuda.current_device() if device.index is None else device.index
    return (*NUMBERS, _generator("CUDA", torch.cuda.default_generators[index]))


def flushes_denormals(smallest: float = sys.float_info.min, half: float = 0.5) -> bool:
    """Tell whether this thread rounds denormal numbers to zero; torch sets this and cannot say it."""
    return smallest * half == 0


_held: list[object] = []  # torch leaves a mode as soon as its object is gone


def _put_inference_mode(mode: bool) -> None:
    context = torch.inference_mode(mode)
    context.__enter__()
    _held.append(context)


def _default_device() -> tuple[Any, int, int]:
    """Return the default device, and how many modes of torch are entered; a default device is one of them."""
    context = getattr(getattr(torch, "_GLOBAL_DEVICE_CONTEXT", None), "device_context", None)
    functions, dispatches = torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()
    return getattr(context, "device", None), functions, dispatches


def _put_default_device(before: tuple[Any, int, int]) -> None:
    device, functions, dispatches = before
    while torch._C._len_torch_dispatch_stack() > dispatches:
        torch._C._pop_torch_dispatch_stack()
    if _default_device()[0] != device:
        torch.set_default_device(device)
    while torch._C._len_torch_function_stack() > functions:
        _pop_mode()  # type: ignore[no-untyped-call]


CHEAP = (  # read at every step of a training, in a fraction of a microsecond each
    State("torch's inference mode", torch.is_inference_mode_enabled, _put_inference_mode),  # also sets the next one
    State("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
    State("torch's default device", _default_device, _put_default_device),
    State("torch's default type", torch.get_default_dtype, torch.set_default_dtype),
    State("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    State("torch's treatment of denormal numbers", flushes_denormals, torch.set_flush_denormal),
)
_FLAGS = (
    *("cudnn.enabled", "cudnn.benchmark", "cudnn.deterministic", "mkldnn.enabled", "mkldnn.deterministic"),
    *("opt_einsum.enabled", "opt_einsum.strategy", "quantized.engine"),
    *(f"cuda.matmul.allow_{kind}_reduced_precision_reduction" for kind in ("fp16", "bf16")),
)
_OPERATIONS = ("all", "matmul", "conv", "rnn")
_OPERATIONS = ("all", "matmul", "conv", "rnn")
_PRECISIONS = (("generic", "all"), *((backend, one) for backend in ("cuda", "mkldnn") for one in _OPERATIONS))
_MODULE_HOOKS = [name for name in vars(nn_module) if name.startswith("_global_") and name.endswith("_hooks")]


def _flag(path: str) -> State:
    holder, _, name = path.rpartition(".")
    owner = reduce(getattr, holder.split("."), torch.backends)
    return State(f"torch's flag {path}", partial(getattr, owner, name), partial(setattr, owner, name))


def _precisions() -> tuple[dict[Where, str], Any]:
    """Return the float32 precision by backend and operation, and the older names of the same settings."""
    read = getattr(torch._C, "_get_fp32_precision_getter", None)
    fine = {where: read(*where) for where in _PRECISIONS} if read else {}
    try:
        matmul = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        return fine, (torch.get_float32_matmul_precision(), *matmul)
    except RuntimeError:  # the older names cannot express what the newer ones say
        return fine, None


def _put_precisions(before: tuple[dict[Where, str], Any]) -> None:
    fine, coarse = before
    with suppress(RuntimeError):
        for where, precision in fine.items():  # the general one first: others may follow it
            if _precisions()[0][where] != precision:
                torch._C._set_fp32_precision_setter(*where, precision)
        if coarse is not None and _precisions()[1] != coarse:
            torch.set_float32_matmul_precision(coarse[0])
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = coarse[1:]
    for where, precision in fine.items():
        if _precisions()[0][where] != precision:
            torch._C._set_fp32_precision_setter(*where, precision)


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _autocast() -> list[tuple[str, bool, torch.dtype]]:
    return [(kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda")]


def _put_autocast(before: list[tuple[str, bool, torch.dtype]]) -> None:
    for kind, enabled, dtype in before:
        torch.set_autocast_enabled(kind, enabled)
        torch.set_autocast_dtype(kind, dtype)


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _module_hooks() -> list[list[tuple[Any, Any]]]:
    return [list(getattr(nn_module, name).items()) for name in _MODULE_HOOKS]


def _put_module_hooks(before: list[list[tuple[Any, Any]]]) -> None:
    for name, hooks in zip(_MODULE_HOOKS, before, strict=True):
        getattr(nn_module, name).clear()
        getattr(nn_module, name).update(hooks)


TORCH_SETTINGS = (
    *CHEAP,
    *map(_flag, _FLAGS),
    State("torch's float32 precision", _precisions, _put_precisions),
    State(
        "torch's deterministic algorithms",
        _deterministic,
        lambda before: torch.use_deterministic_algorithms(before[0], warn_only=before[1]),
    ),
    State("torch's anomaly detection", _anomaly, lambda before: torch.autograd.set_detect_anomaly(*before)),
    State("torch's autocast", _autocast, _put_autocast),
    State("torch's NNPACK", torch._C._get_nnpack_enabled, torch._C._set_nnpack_enabled),
    State("torch's hooks of all modules", _module_hooks, _put_module_hooks),
)
