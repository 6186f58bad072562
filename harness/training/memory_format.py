"""The memory format in which a network runs, and whether it can be trained."""

from contextlib import ExitStack, suppress

import torch
from torch import Tensor, nn

from prunebench.errors import UserError, kind_of
from prunebench.pruning.copies import skeleton, twin
from prunebench.pruning.kinds import NORMS


def in_format(model: nn.Module, device: torch.device, memory_format: torch.memory_format) -> nn.Module:
    """Move a network to a device and a memory format, in place."""
    return model.to(device=device, memory_format=memory_format)  # type: ignore[call-overload,no-any-return]


def working_format(model: nn.Module, pictures: Tensor) -> torch.memory_format:
    """Find the memory format for a network: channels_last if it runs in both modes, else the contiguous one.

    A flattening by ``x.view(x.size(0), -1)`` is the commonest reason why a network does not run in channels_last.
    Shapes and strides show it, so a copy without numbers is tried first.

    Args:
        model: a network, which is not changed.
        pictures: (batch, channels, height, width), two or more.

    Raises:
        UserError: the network fails in training mode, or returns no tensor.

    >>> flat = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    >>> working_format(flat, torch.zeros(2, 1, 4, 4))
    torch.channels_last
    """
    with suppress(Exception):  # the numbers matter to some networks
        _run_in_channels_last(_without_numbers(model), pictures.to("meta"))
        return torch.channels_last
    copy = twin(model, Tensor.clone)
    try:
        _run_in_channels_last(copy, pictures)
    except Exception:
        _run_or_refuse(copy, pictures)
        return torch.contiguous_format
    return torch.channels_last


def _without_numbers(model: nn.Module) -> nn.Module:
    bare = skeleton(model)
    for module in bare.modules():
        clips = isinstance(module, nn.Hardtanh) and type(module) in (nn.Hardtanh, nn.ReLU6) and not module.inplace
        if clips or isinstance(module, NORMS):
            module.forward = torch.square  # its backward pass reads the input, as theirs
    return bare


def _run_in_channels_last(model: nn.Module, pictures: Tensor) -> None:
    with ExitStack() as hooks:
        for module in model.modules():
            hooks.enter_context(module.register_forward_hook(_channels_last))
        _run(model, pictures, torch.channels_last)


def _channels_last(module: nn.Module, inputs: object, output: object) -> object:
    # A kernel may give either format, depending on the batch; the check takes the one that is asked for.
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and isinstance(output, Tensor) and output.ndim == 4:
        return output.contiguous(memory_format=torch.channels_last)
    return output


def _run_or_refuse(model: nn.Module, pictures: Tensor) -> None:
    try:
        _run(model, pictures, torch.contiguous_format)
    except UserError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise UserError(f"it fails in training mode: {type(error).__name__}: {text}") from None


def _run(model: nn.Module, pictures: Tensor, memory_format: torch.memory_format) -> None:
    in_format(model, pictures.device, memory_format)
    with torch.enable_grad():
        for training in (False, True):
            output = model.train(training)(pictures.contiguous(memory_format=memory_format))
        if not isinstance(output, Tensor):
            what = f"it returns {kind_of(output)} in training mode, not a tensor"
            raise UserError(f"{what}; build it without auxiliary outputs")
        output.sum().backward()  # type: ignore[no-untyped-call]
    model.zero_grad()
