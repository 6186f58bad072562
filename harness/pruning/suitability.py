"""What a network must be to be analysed at all, and the layers whose units cannot be followed by their form."""

import inspect
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize

from prunebench.errors import UserError, kind_of
from prunebench.pruning.kinds import KINDS, LAYERS, RESCALING, own_tensors

ALONE = threading.RLock()  # one analysis at a time: counting switches fused attention off, for the whole process
_LOCK, _STANCE, _EAGER = threading.Lock(), ExitStack(), list[None]()  # _EAGER: an entry for each user of the stance
_COMPILED = frozenset({"_compiled_call_impl", "_is_torch_compile"})  # attributes that torch.compile leaves behind
_WRAPPED = {  # parameters that hold a layer's weight in another form, and how the weight becomes a parameter again
    "weight_g": "weight_norm in its old form; call torch.nn.utils.remove_weight_norm(layer)",
    "weight_u": "spectral_norm in its old form; call torch.nn.utils.remove_spectral_norm(layer)",
    "weight_mask": 'a mask of torch.nn.utils.prune; call torch.nn.utils.prune.remove(layer, "weight")',
}


def uncompiled(model: nn.Module) -> nn.Module:
    """Take `torch.compile` off a network and its modules, in place: compiled code would be made anew for every width.

    >>> type(uncompiled(torch.compile(nn.Linear(2, 2)))).__name__
    'Linear'
    """
    model = inside(model)
    for module in model.modules():
        for mark in _COMPILED & vars(module).keys():
            delattr(module, mark)
        wrapped = [name for name, child in module._modules.items() if child is not None and inside(child) is not child]
        for name in wrapped:
            module._modules[name] = inside(module.get_submodule(name))
    return model


def inside(module: nn.Module) -> nn.Module:
    """Give the module that `torch.compile` wrapped, or the module itself."""
    return module.get_submodule("_orig_mod") if type(module).__module__ == "torch._dynamo.eval_frame" else module


@contextmanager
def eagerly() -> Iterator[None]:
    """Run compiled functions as they were written: networks of many widths would be compiled, each anew.

    The setting is the process's: the first thread that needs it sets it, the last one puts it back.
    """
    with _LOCK:
        if not _EAGER and "torch._dynamo" in sys.modules:  # else nothing is compiled
            _STANCE.enter_context(torch.compiler.set_stance("force_eager"))
        _EAGER.append(None)
    try:
        yield
    finally:
        with _LOCK:
            _EAGER.pop()
            if not _EAGER:
                _STANCE.close()


def check_suitable(model: nn.Module, dtype: torch.dtype = torch.float32) -> None:
    """Raise `UserError` for a network that cannot be copied, or be called with pictures alone.

    dtype: of the pictures, which the network's parameters must have, too.
    """
    for name, module in model.named_modules():
        where = f"'{name}'" if name else "the network"
        if isinstance(module, torch.jit.ScriptModule):
            raise UserError(f"{where} is TorchScript, whose layers cannot be changed; give the network in Python")
        if any(is_lazy(tensor) for tensor in module._parameters.values()):
            cure = "run one forward pass in the function that builds the network"
            raise UserError(f"layer {where} ({type(module).__name__}) has no weights yet; {cure}")
        if isinstance(module, LAYERS) and "weight" not in module._parameters and not _parametrised(module):
            tensors = {**module._parameters, **module._buffers}
            why = next((text for name, text in _WRAPPED.items() if name in tensors), "")
            what = f"has {why}" if why else "computes its weight; make the weight a parameter"
            raise UserError(f"layer {where} {what}")
    _check_dtypes(model, dtype)
    _check_inputs(model)
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise UserError(f"'{name}' of its state dict is no tensor but {kind_of(value)}; leave it out")


def check_numbers(model: nn.Module) -> None:
    """Raise `UserError` for a network that has shapes alone."""
    if any(parameter.is_meta for parameter in model.parameters()):
        raise UserError("its parameters are on the device 'meta', without numbers; load its weights first")


def _check_dtypes(model: nn.Module, dtype: torch.dtype) -> None:
    for name, tensor in model.named_parameters():
        if tensor.dtype != dtype and (tensor.is_floating_point() or tensor.is_complex()):
            what = f"parameter '{name}' has {tensor.dtype}, the pictures {dtype}"
            cure = "build the network in this type, as by .float()"
            raise UserError(f"{what}; {cure if dtype.is_floating_point else 'give pictures in floats'}")


def _check_inputs(model: nn.Module) -> None:
    named = list(inspect.signature(model.forward).parameters.values())
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not any(one.kind in (*positional, one.VAR_POSITIONAL) for one in named):
        raise UserError("its forward pass takes keywords alone; it must take the pictures by position")
    required = [one.name for one in named if one.default is one.empty and one.kind in positional]
    if len(required) > 1:
        raise UserError(f"its forward pass needs {' and '.join(required)}; it must need the pictures alone")


def _parametrised(module: nn.Module) -> bool:
    return parametrize.is_parametrized(module)


def unfollowed(model: nn.Module, calls: Mapping[str, int]) -> dict[str, str]:
    """Name the layers whose units cannot be followed by their form, each with what it "is" or "has".

    calls: how often each layer runs in a forward pass.
    """
    reasons: dict[str, str] = {}
    for name, module in model.named_modules():
        if not calls.get(name):
            continue
        large = any(tensor.numel() > 1 for tensor in own_tensors(module).values())
        if calls[name] > 1 and (large or isinstance(module, RESCALING)):
            reasons[name] = f"is used {calls[name]} times in a forward pass; make one layer for each use"
        elif isinstance(module, KINDS) and _parametrised(module):
            reasons[name] = "is parametrised, as by weight_norm; remove the parametrisation"
        elif isinstance(module, nn.Conv2d) and 1 < module.groups == module.out_channels != module.in_channels:
            reasons[name] = f"has {module.groups} groups of one output channel and several input channels"
        elif isinstance(module, nn.ConvTranspose2d) and module.groups > 1:
            reasons[name] = "is a transposed convolution with groups"
    return reasons | dict(_shared(model))


def _shared(model: nn.Module) -> Iterator[tuple[str, str]]:
    """Find the modules that share a parameter with another module."""
    owners: dict[Tensor, list[str]] = {}
    for name, module in model.named_modules():
        for tensor in module.parameters(recurse=False):
            owners.setdefault(tensor, []).append(name)
    for names in owners.values():
        for name in names if len(names) > 1 else ():
            others = " and ".join(f"'{other}'" for other in names if other != name)
            yield name, f"shares a parameter with {others or 'itself'}; give each layer its own"
