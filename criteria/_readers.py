"""The layers that read a group's units, and what these layers are given."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prunebench import CellError, Group, Network

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
Take = Callable[[nn.Module, Tensor], None]


def readers(network: Network, group: Group) -> Iterator[tuple[str, Tensor]]:
    """Name the convolutions and linear layers that read a group, with the input channels (units, k) of its units.

    A depthwise convolution reads and writes the same units, so it is none of them. Raises `CellError` for a
    transposed convolution, which has no formula here.

    >>> from prunebench.testing import toys
    >>> chain = toys.chain()
    >>> [(name, tuple(index.shape)) for name, index in readers(chain, chain.table.group("2"))]
    [('6', (4, 4))]
    """
    for name in dict.fromkeys(part.layer for part in group.slices if part.side == "in"):
        layer = network.layer(name)
        if isinstance(layer, TRANSPOSED):
            raise CellError(f"layer '{name}' ({type(layer).__name__}) reads units; there is no formula for it")
        if isinstance(layer, nn.Conv2d | nn.Linear):
            yield name, network.positions(group, name, "in")


def all_readers(network: Network) -> list[str]:
    """Name the layers that read any group, each once."""
    return list(dict.fromkeys(name for group in network.table.groups for name, _ in readers(network, group)))


def show_inputs(network: Network, batches: Sequence[tuple[Tensor, Tensor]], takers: Mapping[str, Take]) -> None:
    """Run all batches without gradients. What a layer reads is given to its taker, batch by batch.

    takers: functions of a layer and its inputs, by the layer's name.
    """
    with torch.no_grad(), ExitStack() as hooks:
        for name, take in takers.items():
            hooks.enter_context(network.layer(name).register_forward_pre_hook(partial(_give, take)))
        for pictures, _ in batches:
            network.model(pictures.to(network.device, network.dtype))


def _give(take: Take, layer: nn.Module, inputs: Any) -> None:
    take(layer, inputs[0])
