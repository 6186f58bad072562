"""Run a network as far as one layer, and find the order in which layers run."""

from collections.abc import Collection
from contextlib import ExitStack
from functools import partial
from typing import Any

from torch import Tensor, nn

from prunebench.errors import CellError


class _ReachedError(BaseException):
    """Ends a forward pass at a layer. No `Exception`, so that no network catches it."""


def run_to(model: nn.Module, layer: nn.Module, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Run a network until a layer has run. Returns what the layer reads and gives.

    >>> import torch
    >>> first = nn.Linear(2, 1)
    >>> read, given = run_to(nn.Sequential(first, nn.Linear(1, 1)), first, torch.ones(3, 2))
    >>> read.shape, given.shape
    (torch.Size([3, 2]), torch.Size([3, 1]))
    """
    found: list[Tensor] = []

    def hook(module: nn.Module, inputs: Any, named: Any, output: Tensor) -> None:
        found.extend((inputs[0] if inputs else next(iter(named.values())), output))
        raise _ReachedError

    handle = layer.register_forward_hook(hook, with_kwargs=True)
    try:
        model(pictures)
    except _ReachedError:
        pass
    finally:
        handle.remove()
    read, given = found
    return read, given


def in_order(model: nn.Module, layers: Collection[str], pictures: Tensor) -> list[str]:
    """Sort layers by the order in which they run. Raises `CellError` for one that does not run exactly once.

    >>> import torch
    >>> in_order(nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1)), ["1", "0"], torch.ones(1, 2))
    ['0', '1']
    """
    order: list[str] = []
    with ExitStack() as hooks:
        for name in layers:
            note = partial(_note, order, name)
            hooks.enter_context(model.get_submodule(name).register_forward_hook(note))
        model(pictures)
    for name in layers:
        if (times := order.count(name)) != 1:
            ran = "runs more than once" if times else "does not run as a module"
            what = f"layer '{name}' {ran} in a forward pass, so it cannot be repaired"
            raise CellError(f"{what}; give --repair batchnorm")
    return order


def _note(order: list[str], name: str, *_: Any) -> None:
    order.append(name)
